"""One device's view of an artifact: a range of a file that may still be growing."""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred

from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.statistics import Statistics
from menderproxy.cache.threads import Threads, shielded


class Reader:
    """
    Reads one range, in order, as far as the bytes are there.

    It holds no bytes itself, so that a thousand slow devices cost a thousand offsets.

    :param first: offset of the first byte.
    :param last: offset of the last byte, inclusive.
    :param statistics: counts what is read.
    :ivar position: offset of the next byte.
    """

    def __init__(
        self, file: ArtifactFile, threads: Threads, first: int, last: int, statistics: Statistics
    ):
        self._file = file
        self._threads = threads
        self._statistics = statistics
        self.position = first
        self._end = last + 1
        self._open = True
        file.acquire()
        statistics.readers += 1

    @property
    def remaining(self) -> int:
        """Bytes of the range still to be read, here or not."""
        return self._end - self.position

    @property
    def available(self) -> int:
        """Bytes of the range that can be read now."""
        return max(0, min(self._end, self._file.readable) - self.position)

    def grown(self) -> Deferred[None]:
        """Fires when more may be available; fails when no more will come."""
        return self._file.grown()

    def read(self, most: int) -> bytes | None:
        """
        Read up to *most* available bytes, if memory has them.

        :returns: ``None`` when the disk would have to be waited for: see :meth:`read_slowly`.
        :raises OSError: the disk fails.
        """
        size = min(most, self.available)
        buffer = bytearray(size)
        try:
            count = os.preadv(self._file.fd, [buffer], self.position, os.RWF_NOWAIT)
        except OSError:
            # Not in memory, or a file system that can't tell: the thread finds out.
            return None
        if count == 0:
            return None
        self._has_read(count)
        return bytes(memoryview(buffer)[:count])

    def read_slowly(self, most: int) -> Deferred[bytes]:
        """
        Read up to *most* available bytes in a thread.

        Fails with :exc:`OSError` when the disk fails, or the file is shorter than it was.
        """
        size = min(most, self.available)
        # The file stays open for the thread, whatever becomes of the reader meanwhile.
        self._file.acquire()
        reading = self._threads.run(os.pread, self._file.fd, size, self.position)
        return shielded(reading.addBoth(self._let_go)).addCallback(self._advance)

    def _let_go(self, result: bytes) -> bytes:
        self._file.release()
        return result

    def _advance(self, data: bytes) -> bytes:
        if not data:
            raise OSError("the cached file is shorter than it was")
        self._has_read(len(data))
        return data

    def _has_read(self, size: int) -> None:
        self.position += size
        self._statistics.serve(size)

    def close(self) -> None:
        """Done with it, for whatever reason (may be called again)."""
        if self._open:
            self._open = False
            self._statistics.readers -= 1
            self._file.release()
