"""One device's view of an artifact: a range of a file that may still be growing."""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred

from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.statistics import Statistics
from menderproxy.cache.threads import Threads, shielded

STEP = 128 * 1024
"""Bytes that Linux reads ahead, so that they come into memory together."""


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
        self._warm_until = 0
        self._probe = bytearray(1)
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

    @property
    def fd(self) -> int:
        """The open file."""
        return self._file.fd

    def ready(self, most: int) -> int:
        """
        How many of the next *most* bytes are available, and in memory.

        Looked at in steps, as the system reads files: a page of its cache could be missing in
        between, and cost the time of one read from the disk.
        """
        size = min(most, self.available)
        known = max(0, min(size, self._warm_until - self.position))
        if not known and size and not self._in_memory(self.position):
            return 0
        while known < size:
            step = min(STEP, size - known)
            if not self._in_memory(self.position + known + step - 1):
                break
            known += step
        return known

    def _in_memory(self, offset: int) -> bool:
        try:
            return os.preadv(self._file.fd, [self._probe], offset, os.RWF_NOWAIT) == 1
        except OSError:
            # It would have to wait, or the file system can't tell: a thread finds out.
            return False

    def read_into(self, buffer: memoryview) -> int:
        """
        Copy the next available bytes, if memory has them; the position stays.

        :returns: 0 when there are none, or the disk would have to be waited for.
        :raises OSError: the disk fails.
        """
        piece = buffer[: self.available]
        is_warm = self.position + len(piece) <= self._warm_until
        try:
            return os.preadv(self._file.fd, [piece], self.position, 0 if is_warm else os.RWF_NOWAIT)
        except OSError:
            if is_warm:
                raise
            return 0

    def warm(self, most: int) -> Deferred[None]:
        """
        Have the next *most* available bytes read into memory by a thread.

        Fails with :exc:`OSError` when the disk fails, or the file is shorter than it was.
        """
        size = min(most, self.available)
        # The file stays open for the thread, whatever becomes of the reader meanwhile.
        self._file.acquire()
        reading = self._threads.run(_read_through, self._file.fd, self.position, size)
        return shielded(reading.addBoth(self._let_go)).addCallback(self._is_warm)

    def _let_go(self, result: int) -> int:
        self._file.release()
        return result

    def _is_warm(self, until: int) -> None:
        self._warm_until = until

    def advance(self, count: int) -> None:
        """So many of the next bytes went out."""
        self.position += count
        self._statistics.serve(count)

    def close(self) -> None:
        """Done with it, for whatever reason (may be called again)."""
        if self._open:
            self._open = False
            self._statistics.readers -= 1
            self._file.release()


def _read_through(fd: int, offset: int, size: int) -> int:
    end = offset + size
    while offset < end:
        count = len(os.pread(fd, min(STEP, end - offset), offset))
        if not count:
            raise OSError("the cached file is shorter than it was")
        offset += count
    return end
