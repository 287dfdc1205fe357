"""Gathered writes: many pieces of memory to one place of a file, without joining them first."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from itertools import islice

MOST_PIECES = 1024
"""Pieces in one call: ``IOV_MAX`` of Linux."""


def write_gathered(fd: int, pieces: Iterable[bytes], offset: int) -> None:
    """
    Write all pieces, one after the other, from *offset* on (blocks).

    :raises OSError: the disk fails; some of the bytes may be in the file.
    """
    rest = deque(memoryview(piece) for piece in pieces)
    while rest:
        count = os.pwritev(fd, list(islice(rest, MOST_PIECES)), offset)
        offset += count
        while rest and len(rest[0]) <= count:
            count -= len(rest.popleft())
        if count:
            rest[0] = rest[0][count:]
