"""Compressed bodies, unpacked with care."""

from __future__ import annotations

import zlib


def gunzip(data: bytes, most: int) -> bytes:
    """
    Unpack gzip data.

    :param most: how many bytes it may unpack to.
    :raises ValueError: it is broken, or would unpack to more.
    """
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"broken gzip data: {error}") from None
    if len(plain) > most:
        raise ValueError(f"gzip data that unpacks to more than {most} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("broken gzip data: cut off, or followed by other data")
    return plain
