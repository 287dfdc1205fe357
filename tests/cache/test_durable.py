"""Tests of small files that survive a power cut."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.durable import write_safely


class WriteTests(SynchronousTestCase):
    """What is in the directory, whatever happens."""

    def setUp(self) -> None:
        """Have a file with some content."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / "thing.json"
        write_safely(self.file, b"old")

    def content(self) -> dict[str, bytes]:
        """All that is there."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def test_replaced(self) -> None:
        """The new content takes the old one's place."""
        write_safely(self.file, b"new")
        self.assertEqual(self.content(), {"thing.json": b"new"})

    def test_piecemeal(self) -> None:
        """What the system takes only some of is given to it again."""
        write = os.write
        self.patch(os, "write", lambda fd, data: write(fd, data[:2]))
        write_safely(self.file, b"12345")
        self.assertEqual(self.content(), {"thing.json": b"12345"})

    def test_full(self) -> None:
        """When the disk is full the old content stays, and nothing else."""
        write = os.write

        def fill_up(fd: int, data: bytes) -> int:
            if len(data) < 5:
                raise OSError(errno.ENOSPC, "no room")
            return write(fd, data[:2])

        self.patch(os, "write", fill_up)
        self.assertRaises(OSError, write_safely, self.file, b"12345")
        self.assertEqual(self.content(), {"thing.json": b"old"})
