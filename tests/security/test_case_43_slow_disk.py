"""A disk that takes its time, as SD cards do."""

from __future__ import annotations

import os

from tests.cache.test_reader import DATA, ReaderTestCase


class ReadTests(ReaderTestCase):
    """Reading for a device, in the thread that serves all of them."""

    def test_never_waits(self) -> None:
        """The system is told each time to give what memory has, and not to wait for the disk."""
        flags = []

        def read(fd: int, buffers: list[bytearray], offset: int, how: int = 0) -> int:
            flags.append(how)
            buffers[0][:] = DATA[: len(buffers[0])]
            return len(buffers[0])

        self.patch(os, "preadv", read)
        self.assertEqual(self.reader().read(30), DATA[:30])
        self.assertEqual(flags, [os.RWF_NOWAIT])
