"""
The power is cut again and again while artifacts come in.

For the record: ``ENDURANCE_CUTS=100 python -m twisted.trial tests.loopback.test_power_cut``
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from menderproxy.cache.directory import CacheDirectory, PartialArtifact
from menderproxy.demo.artifact_store import DemoObject
from menderproxy.wire.store_url import StoreURL

from .disks import missing, torn_disk
from .gateway_process import Plant, all_of, dice, plant, rounds

SIZE = 3 << 20
LARGE = 20 << 20
ARTIFACTS = 24


class PowerCutTests(TestCase):
    """A disk image taken at random moments, looked at as the next boot would find it."""

    timeout = 1800
    stopped = False
    skip = missing()

    async def test_power_cuts(self) -> None:
        """Under a final name there is nothing but whole artifacts, whenever the power goes."""
        cuts, random = rounds("ENDURANCE_CUTS", 8), dice()
        directory = Path(self.mktemp()).absolute()
        with torn_disk(directory / "disk", 160 << 20) as disk:
            cache = disk.mount / "cache"
            async with plant(
                reactor, directory / "plant", rate=24 << 20, cache=cache, MaxSize="48MiB"
            ) as site:
                artifacts = [
                    site.store.put(f"bucket/{n}", LARGE if n % 4 == 2 else SIZE)
                    for n in range(ARTIFACTS)
                ]
                self.expected = {
                    StoreURL.parse(f"{site.store_url}/{one.key}").cache_key: one
                    for one in artifacts
                }
                await site.restarted()
                finished = partial = 0
                traffic = Deferred.fromCoroutine(self._traffic(site, artifacts))
                for _ in range(cuts):
                    sent = site.store.bytes_sent + random.random() * 4 * SIZE
                    await site.until(lambda sent=sent: site.store.bytes_sent >= sent)
                    with disk.torn() as found:
                        finished += self._check_finished(found / "cache")
                        partial += self._check_partial(found / "cache")
                self.stopped = True
                await traffic
                print(f"\n{cuts} power cuts, {finished} whole artifacts, {partial} partial ones")
                self.assertGreater(finished, 0)

    async def _traffic(self, site: Plant, artifacts: list[DemoObject]) -> None:
        """Devices that want one artifact after another; the cache is too small for them all."""
        number = 0
        while not self.stopped:
            wanted = [artifacts[(number + step) % ARTIFACTS] for step in (0, 0, 1)]
            digests = await all_of([site.device(one) for one in wanted])
            self.assertEqual(digests, [one.sha256() for one in wanted])
            number += 1

    def _check_finished(self, cache: Path) -> int:
        """Every file under a final name is whole, by our own reckoning."""
        found = [path for path in cache.glob("objects/??/*") if not path.suffix]
        for path in found:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            self.assertEqual(
                digest, self.expected[path.name].sha256(), f"{path.stat().st_size} bytes"
            )
        return len(found)

    def _check_partial(self, cache: Path) -> int:
        """What the next process would go on with is the beginning of the artifact."""
        directory = CacheDirectory(cache, boot_id="the next boot")
        directory.claim()
        try:
            stored = {one.meta.key for one in directory.scan()}
            self.assertLessEqual(stored, set(self.expected))
            taken_up = [directory.open_partial(one.key) for one in directory.leftovers()]
            return sum(self._check_prefix(one) for one in taken_up if one is not None)
        finally:
            directory.release()

    def _check_prefix(self, partial: PartialArtifact) -> int:
        here = os.pread(partial.fd, partial.offset, 0)
        os.close(partial.fd)
        wanted = self.expected[partial.meta.key].content.read(0, partial.offset)
        self.assertEqual(len(here), partial.offset)
        self.assertTrue(here == wanted, "what the next process would go on with is wrong")
        return 1
