"""What a demo object holds: any number of bytes that cost no memory and never repeat."""

from __future__ import annotations

import hashlib
from typing import Protocol

import attrs
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK = 16
_STEP = 1 << 20


class Content(Protocol):
    """Bytes with random access."""

    @property
    def length(self) -> int:
        """How many bytes there are."""

    def read(self, offset: int, size: int) -> bytes:
        """Give *size* bytes from *offset* on, fewer at the end."""


@attrs.frozen
class Keystream:
    """
    The AES-CTR keystream of a name: each offset can be computed by itself.

    No two places look alike, so a byte out of place always shows in a checksum, and ten
    gibibytes cost no more memory than ten bytes.

    :param name: the same name gives the same bytes, in every process.
    :param length: in bytes.
    """

    name: str
    length: int

    def read(self, offset: int, size: int) -> bytes:
        """Compute *size* bytes from *offset* on, fewer at the end."""
        size = max(0, min(size, self.length - offset))
        block, skipped = divmod(offset, _BLOCK)
        key = hashlib.sha256(self.name.encode()).digest()
        cipher = Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(_BLOCK, "big")))
        return cipher.encryptor().update(bytes(skipped + size))[skipped:]


@attrs.frozen
class Literal:
    """Bytes that were given as such."""

    data: bytes = attrs.field(repr=False)

    @property
    def length(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        """Give *size* bytes from *offset* on, fewer at the end."""
        return self.data[offset : offset + size]


def sha256(content: Content) -> str:
    """Read all of *content* once: about a second for each gibibyte, so use a thread."""
    digest = hashlib.sha256()
    for offset in range(0, content.length, _STEP):
        digest.update(content.read(offset, _STEP))
    return digest.hexdigest()
