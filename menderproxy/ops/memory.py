"""How this process holds on to its memory, where it is ours alone."""

from __future__ import annotations

import contextlib
import ctypes
import gc

KEPT = 8 * 1024 * 1024
"""Bytes that the allocator keeps for the next time, and the largest piece it takes from there."""

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> None:
    """
    Let the allocator keep what was freed a moment ago.

    An artifact comes in by pieces of some 100 KiB. By default glibc gives each of them back to the
    system and asks for it again, page by page: about a tenth of the processor time of a download.
    Other C libraries are left as they are.
    """
    with contextlib.suppress(OSError, AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_TRIM_THRESHOLD, KEPT)
        set_option(_M_MMAP_THRESHOLD, KEPT)


def settle() -> None:
    """
    Let the garbage collector leave alone what was made at the start.

    That is code for the most part, and never garbage; to look through all of it takes tens of
    milliseconds, in which no device is served.
    """
    gc.collect()
    gc.freeze()
