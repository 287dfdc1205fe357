"""
A disk that is too small for what devices want, all the time.

For the record: ``ENDURANCE_DOWNLOADS=200 python -m twisted.trial tests.loopback.test_full_disk``
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from menderproxy.demo.artifact_store import DemoObject

from .disks import memory_disk, missing
from .gateway_process import Plant, all_of, dice, plant, rounds

SIZE = 8 << 20
ARTIFACTS = 5
DEVICES = 10


class FullDiskTests(TestCase):
    """One artifact and a half fit; five are asked for in random order by ten devices."""

    timeout = 1800
    skip = missing()

    async def test_full_disk(self) -> None:
        """All downloads succeed at once, and the disk is still used for what fits."""
        downloads = rounds("ENDURANCE_DOWNLOADS", 40)
        directory = Path(self.mktemp()).absolute()
        with memory_disk(directory / "disk", SIZE * 3 // 2) as disk:
            async with plant(reactor, directory / "plant", cache=disk / "cache") as site:
                await site.restarted()
                artifacts = [site.store.put(f"bucket/{n}", SIZE) for n in range(ARTIFACTS)]
                dices = dice()
                queue = [dices.choice(artifacts) for _ in range(downloads)]
                workers = [self._device(site, queue, dices) for _ in range(DEVICES)]
                await all_of(workers)
                self.assertEqual(queue, [])
                self.assertEqual({one.retries for one in site.downloads}, {0})
                self.assertEqual(len(site.downloads), downloads)
                served = downloads * SIZE
                print(
                    f"\n{downloads} downloads, upstream {site.store.bytes_sent / served:.2f}"
                    " of the bytes served"
                )
                self.assertLess(site.store.bytes_sent, served)
                await self._afterwards(site, disk)

    def _device(self, site: Plant, queue: list[DemoObject], dices: Random) -> Deferred[str]:
        async def work() -> str:
            while queue:
                artifact = queue.pop()
                self.assertEqual(await site.device(artifact), artifact.sha256())
            return "done"

        return Deferred.fromCoroutine(work())

    async def _afterwards(self, site: Plant, disk: Path) -> None:
        """What was evicted is gone from the disk, not only from the index."""
        await site.gateway.end()
        listed = sum(path.stat().st_size for path in disk.glob("cache/objects/??/*"))
        status = os.statvfs(disk)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        self.assertLess(used, listed + (SIZE >> 4))
