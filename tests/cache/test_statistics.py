"""What the cache counts of what it does."""

from __future__ import annotations

import errno
import os

from menderproxy.cache.index import LINGER
from menderproxy.cache.room import Limits
from menderproxy.cache.statistics import Statistics
from tests.cache.fakes import LINK, OTHER, StoredObject, content
from tests.cache.testcase import CacheTestCase

SIZE = 20_000
THING = StoredObject(content(SIZE))


class CountingTests(CacheTestCase):
    """Each number, and what makes it grow."""

    limits = Limits(max_size=SIZE)

    @property
    def statistics(self) -> Statistics:
        """Those of the present process."""
        return self.cache.statistics

    def test_nothing(self) -> None:
        """A new cache has done nothing."""
        self.assertEqual(self.statistics, Statistics())
        self.assertEqual((self.cache.downloads, self.cache.size, self.cache.quarantined), (0, 0, 0))

    def test_requests(self) -> None:
        """Who begins a download misses; who comes later hits, during it and after it."""
        first, _ = self.begin(THING)
        self.assertEqual((self.statistics.misses, self.statistics.hits), (1, 0))
        self.device()
        self.assertEqual((self.statistics.misses, self.statistics.hits), (1, 1))
        self.assertEqual((self.statistics.fills, self.cache.downloads), (0, 1))
        self.finish(first)
        self.assertEqual((self.statistics.fills, self.cache.downloads), (1, 0))
        self.device()
        self.assertEqual((self.statistics.misses, self.statistics.hits), (1, 2))

    def test_bytes(self) -> None:
        """Bytes are counted as they come and as they go."""
        device, body = self.begin(THING)
        body.send(15_000)
        self.settle()
        self.assertEqual(self.statistics.fetched, 15_000)
        self.assertEqual(self.statistics.served, len(device.received))
        self.finish(device)
        self.assertEqual((self.statistics.fetched, self.statistics.served), (SIZE, SIZE))
        self.device(first=SIZE - 100)
        self.assertEqual((self.statistics.fetched, self.statistics.served), (SIZE, SIZE + 100))

    def test_saved(self) -> None:
        """What a second device gets is saved, and stays so when another artifact is fetched."""
        self.store_whole(LINK, THING)
        self.assertEqual(self.statistics.saved, 0)
        self.device()
        self.assertEqual(self.statistics.saved, SIZE)
        self.wait(LINGER * 3)
        self.device(OTHER).leave()
        body = self.store.last.serve(THING)
        self.settle()
        body.finish()
        self.wait(1)
        self.device(OTHER, first=SIZE - 1)
        self.assertEqual(self.statistics.fetched, 2 * SIZE)
        self.assertEqual(self.statistics.served, 2 * SIZE + 1)
        self.assertEqual(self.statistics.saved, SIZE)

    def test_slow_reads(self) -> None:
        """Bytes that a thread had to read count as any."""

        preadv = os.preadv

        def unsure(fd: int, buffers: list[bytearray], offset: int, flags: int = 0) -> int:
            if flags:
                raise OSError(errno.EOPNOTSUPP, "the file system can't tell what is in memory")
            return preadv(fd, buffers, offset)

        self.store_whole(LINK, THING)
        served = self.statistics.served
        self.patch(os, "preadv", unsure)
        self.device()
        self.assertEqual(self.statistics.served, served + SIZE)

    def test_resumed(self) -> None:
        """A connection that goes on where the last one broke off is a resumption."""
        device, body = self.begin(THING)
        body.send(5_000)
        self.cut(body)
        self.assertEqual(self.statistics.resumes, 0)
        self.store.last.serve(THING)
        self.settle()
        self.assertEqual(self.statistics.resumes, 1)
        self.finish(device)
        self.assertEqual((self.statistics.fetched, self.statistics.fills), (SIZE, 1))

    def test_resumed_after_restart(self) -> None:
        """So is one that goes on where an earlier process stopped."""
        _, body = self.begin(THING)
        body.send(5_000)
        self.settle()
        self.stop()
        self.start()
        device = self.device()
        self.store.last.serve(THING)
        self.settle()
        self.assertEqual(self.statistics.resumes, 1)
        self.finish(device)
        self.assertEqual(self.statistics.fetched, SIZE - 5_000)

    def test_evicted(self) -> None:
        """What has to make room is counted."""
        self.store_whole(LINK, THING)
        self.wait(LINGER * 3)
        self.assertEqual(self.statistics.evictions, 0)
        self.store_whole(OTHER, THING)
        self.assertEqual(self.statistics.evictions, 1)
        self.assertEqual(self.cache.size, SIZE)

    def test_given_up(self) -> None:
        """A download that is given up is a failure; one that is stopped with the gateway is not."""
        self.device()
        self.store.last.refuse(404)
        self.settle()
        self.assertEqual((self.statistics.failures, self.statistics.fills), (1, 0))
        self.device()
        self.stop()
        self.assertEqual((self.statistics.failures, self.statistics.fills), (1, 0))

    def test_readers(self) -> None:
        """A device counts as long as it is being sent something."""
        device, _ = self.begin(THING)
        self.assertEqual(self.statistics.readers, 1)
        late = self.device()
        self.assertEqual(self.statistics.readers, 2)
        late.leave()
        self.assertEqual(self.statistics.readers, 1)
        self.finish(device)
        self.assertEqual(self.statistics.readers, 0)

    def test_size(self) -> None:
        """An artifact takes its whole space from the first byte on."""
        _, body = self.begin(THING)
        body.send(1)
        self.settle()
        self.assertEqual(self.cache.size, SIZE)

    def test_free_space(self) -> None:
        """The disk is asked in a thread."""
        asked = self.cache.free_space()
        self.assertNoResult(asked)
        self.settle()
        self.assertEqual(self.successResultOf(asked), self.directory.free_space().bytes)
