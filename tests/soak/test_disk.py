"""The disk that somebody else fills up."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from bench.soak.disk import Disk

_MIB = 1 << 20


class DiskTests(SynchronousTestCase):
    """A small file system of its own."""

    def setUp(self) -> None:
        """Choose where it is to be."""
        if os.geteuid() != 0:
            raise SkipTest("needs root, to mount file systems")
        self.path = Path(self.mktemp())
        self.disk = Disk(self.path, 2 * _MIB)

    def test_leaves_nothing(self) -> None:
        """Once it is unmounted its directory is empty, and can be removed; twice does no harm."""
        self.disk.mount()
        (self.path / "artifact").write_bytes(b"x")
        self.disk.unmount()
        self.disk.unmount()
        self.assertEqual(list(self.path.iterdir()), [])
        self.path.rmdir()

    def test_full(self) -> None:
        """A full one takes not one byte more, and all of them again after it was cleared."""
        self.disk.mount()
        self.addCleanup(self.disk.unmount)
        self.disk.fill()
        self.disk.fill()
        full = self.assertRaises(OSError, (self.path / "artifact").write_bytes, b"x")
        self.assertEqual(full.errno, errno.ENOSPC)
        self.disk.clear()
        (self.path / "artifact").write_bytes(bytes(_MIB))
