"""Digests of a file, computed as it grows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import Protocol

READ = 1 << 20
"""Bytes that are read at once of what was not seen as it was written."""


class Hash(Protocol):
    """What we use of a hashlib object."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The digest so far."""


class Digests:
    """
    SHA-256, and MD5 if need be, over a growing prefix of one file.

    :param md5: compute the MD5 as well. It takes more than twice as long as SHA-256 where the
        processor has instructions for that one, so it is not computed for nothing.
    :ivar offset: bytes hashed so far.
    """

    def __init__(self, *, md5: bool = False):
        self.offset = 0
        self._sha256: Hash = hashlib.sha256()
        self._md5: Hash | None = hashlib.md5(usedforsecurity=False) if md5 else None

    @property
    def has_md5(self) -> bool:
        """Whether the MD5 is computed."""
        return self._md5 is not None

    @property
    def sha256(self) -> bytes:
        """The SHA-256 so far."""
        return self._sha256.digest()

    @property
    def md5(self) -> bytes | None:
        """The MD5 so far, if it is computed."""
        return None if self._md5 is None else self._md5.digest()

    def update(self, pieces: Iterable[bytes]) -> None:
        """Take the next bytes (blocks: without the interpreter's lock, if they are many)."""
        for piece in pieces:
            self._sha256.update(piece)
            if self._md5 is not None:
                self._md5.update(piece)
            self.offset += len(piece)

    def catch_up(self, fd: int, to: int) -> None:
        """
        Take what is in the file and was not taken before (blocks).

        :raises OSError: it can't be read, or there is less than that.
        """
        while self.offset < to:
            data = os.pread(fd, min(READ, to - self.offset), self.offset)
            if not data:
                raise OSError("the partial file is shorter than it was")
            self.update([data])
