"""
The gateway is killed again and again in the middle of a cold download.

For the record: ``ENDURANCE_KILLS=200 python -m twisted.trial tests.loopback.test_kill_loop``
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from menderproxy.cache.writer import BATCH

from .gateway_process import Plant, all_of, dice, plant, rounds

SIZE = 24 << 20
RATE = 6 << 20
DEVICES = 5


class KillLoopTests(TestCase):
    """``kill -9`` at random moments, and devices that resume as real clients do."""

    timeout = 1800

    async def test_kills(self) -> None:
        """Every device ends with the right checksum, and hardly a byte is fetched twice."""
        kills, random = rounds("ENDURANCE_KILLS", 6), dice()
        async with plant(reactor, Path(self.mktemp()), rate=RATE) as site:
            done, number, wanted = 0, 0, 0
            while done < kills:
                artifact = site.store.put(f"bucket/{number}", SIZE)
                number, wanted = number + 1, wanted + SIZE
                devices = [site.device(artifact) for _ in range(DEVICES)]
                everybody = Deferred.fromCoroutine(all_of(devices))
                while not everybody.called and done < kills:
                    await self._one_life(site, everybody, random.random(), random.random())
                    done += 1
                await site.restarted()
                digests = await everybody
                self.assertEqual(set(digests), {artifact.sha256()})
                await site.gateway.end()
            retries = sum(one.retries for one in site.downloads)
            self.assertGreater(retries, 0, "no device was ever interrupted")
            allowed = wanted * 1.01 + done * BATCH
            print(
                f"\n{done} kills, {number} artifacts, {retries} resumes of devices,"
                f" upstream {site.store.bytes_sent / wanted:.4f} of the size"
            )
            self.assertLessEqual(site.store.bytes_sent, allowed)

    async def _one_life(
        self, site: Plant, everybody: Deferred[list[str]], when: float, what: float
    ) -> None:
        site.gateway.start()
        if what < 0.1:
            # At any moment of its start, too.
            await deferLater(reactor, when)
        else:
            sent = site.store.bytes_sent + when * SIZE / 8
            await site.until(lambda: site.store.bytes_sent >= sent or everybody.called)
        await site.gateway.end()
