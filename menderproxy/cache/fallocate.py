"""Reserving disk space for a file without making it longer."""

from __future__ import annotations

import ctypes
import errno
import os

FALLOC_FL_KEEP_SIZE = 1
UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})

_libc = ctypes.CDLL(None, use_errno=True)
# Where file offsets have 32 bits by default, as on small ARM boards, there are two of them.
_fallocate = getattr(_libc, "fallocate64", None) or _libc.fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def reserve(fd: int, length: int) -> bool:
    """
    Reserve the blocks for the first *length* bytes of a file (blocks).

    ``os.posix_fallocate`` would also do, but it makes the file longer at once, so that its
    length could not tell how much of it has been written; and where the file system knows no
    reservations it writes zeros, which wears out an SD card for nothing.

    :returns: whether the file system can reserve.
    :raises OSError: there is no room, or the disk fails.
    """
    if _fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, length) == 0:
        return True
    code = ctypes.get_errno()
    if code == errno.EINTR:
        return reserve(fd, length)
    if code in UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code))
