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
        reader = self.reader()
        self.assertEqual(reader.ready(30), 30)
        self.assertEqual(self.read(reader, 30), DATA[:30])
        self.assertEqual(set(flags), {os.RWF_NOWAIT})
