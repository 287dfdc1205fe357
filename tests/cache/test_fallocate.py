"""Reserving disk space."""

from __future__ import annotations

import ctypes
import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache import fallocate
from menderproxy.cache.fallocate import reserve


class ReserveTests(SynchronousTestCase):
    """A file with space reserved."""

    def setUp(self) -> None:
        """Make a file with three bytes."""
        self.fd = os.open(self.mktemp(), os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, self.fd)
        os.write(self.fd, b"abc")

    def let_the_system_say(self, *codes: int) -> None:
        """Let the system call fail with these codes, one after the other."""
        left = list(codes)

        def failing(*_: object) -> int:
            ctypes.set_errno(left.pop(0))
            return -1

        self.patch(fallocate, "_fallocate", failing)

    def test_length(self) -> None:
        """The file keeps its length and bytes, and takes more of the disk."""
        if not reserve(self.fd, 1 << 20):
            self.skipTest("this file system knows no reservations")
        status = os.fstat(self.fd)
        self.assertEqual(status.st_size, 3)
        self.assertGreaterEqual(status.st_blocks * 512, 1 << 20)
        self.assertEqual(os.pread(self.fd, 10, 0), b"abc")

    def test_beyond_32_bits(self) -> None:
        """Lengths of more than 32 bits arrive whole: the system finds them too large by itself."""
        error = self.assertRaises(OSError, reserve, self.fd, 1 << 62)
        self.assertIn(error.errno, {errno.EFBIG, errno.ENOSPC})

    def test_unsupported(self) -> None:
        """A file system that knows no reservations does without."""
        for code in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            self.let_the_system_say(code)
            self.assertFalse(reserve(self.fd, 1 << 20))

    def test_no_room(self) -> None:
        """A full disk is an error that tells so."""
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            self.let_the_system_say(code)
            self.assertEqual(self.assertRaises(OSError, reserve, self.fd, 9).errno, code)

    def test_interrupted(self) -> None:
        """A signal in between is no error."""
        self.let_the_system_say(errno.EINTR, errno.EINTR, errno.ENOSPC)
        self.assertEqual(self.assertRaises(OSError, reserve, self.fd, 9).errno, errno.ENOSPC)
