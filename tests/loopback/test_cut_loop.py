"""
The store resets the connection again and again in the middle of a cold download.

For the record: ``ENDURANCE_CUTS=500 python -m twisted.trial tests.loopback.test_cut_loop``
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from menderproxy.demo.faults import Cut

from .gateway_process import all_of, dice, plant, rounds

SIZE = 16 << 20
DEVICES = 5


class CutLoopTests(TestCase):
    """Connections reset at random offsets; every device stays connected and just goes on."""

    timeout = 1800

    async def test_cuts(self) -> None:
        """Devices see none of it, and no byte is fetched twice."""
        cuts, random = rounds("ENDURANCE_CUTS", 20), dice()
        async with plant(reactor, Path(self.mktemp())) as site:
            await site.restarted()
            done, number = 0, 0
            while done < cuts:
                artifact = site.store.put(f"bucket/{number}", SIZE)
                number += 1
                count = min(cuts - done, 25)
                # Some before the first byte, most within the body.
                site.store.faults.extend(
                    Cut(after=max(0, random.randrange(-(SIZE >> 7), SIZE >> 4)))
                    for _ in range(count)
                )
                digests = await all_of([site.device(artifact) for _ in range(DEVICES)])
                self.assertEqual(set(digests), {artifact.sha256()})
                done += count - len(site.store.faults)
                site.store.faults.clear()
            wanted = number * SIZE
            print(
                f"\n{done} cuts, {number} artifacts,"
                f" upstream {site.store.bytes_sent / wanted:.4f} of the size"
            )
            self.assertEqual([one.retries for one in site.downloads], [0] * number * DEVICES)
            self.assertLessEqual(site.store.bytes_sent, wanted * 1.01)
