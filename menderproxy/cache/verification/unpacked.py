"""Compressed bytes unpacked piece by piece, within bounds of memory and of size."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

import attrs

from menderproxy.cache.verification.tar_stream import ByteSource, Malformed

COMPRESSED_CHUNK = 64 * 1024
"""Compressed bytes that are read at once."""

XZ_MEMORY = 80 << 20
"""Bytes for unpacking xz: enough for the 64 MiB dictionary of its best preset."""

MEMBER_LIMIT = 100_000
"""Compressed streams one after the other in a file; usually it is one."""

_MEMORY_LIMIT_REACHED = "Memory usage limit exceeded"


class Uncheckable(Exception):
    """Bytes that may be right, but that we can't look into; the text says why in one line."""


@attrs.define
class Allowance:
    """
    How many bytes may yet be unpacked: what stops a bomb of a few kilobytes.

    :param limit: bytes at first.
    """

    limit: int
    _left: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.limit

    def spend(self, size: int) -> None:
        """
        Take so many bytes off it.

        :raises Malformed: when there are not that many left.
        """
        self._left -= size
        if self._left < 0:
            raise Malformed(f"it unpacks to more than {self.limit} bytes")


def unpack(source: ByteSource, suffix: str, allowance: Allowance) -> ByteSource:
    """
    Return the bytes that ``source`` stands for.

    Reading them raises :class:`Malformed` for wrong or missing compressed bytes, and
    :class:`Uncheckable` when unpacking takes too much memory.

    :param suffix: of the file's name: nothing, ``.gz`` or ``.xz``.
    :raises Uncheckable: for another suffix.
    """
    if not suffix:
        return source
    if suffix not in _DECOMPRESSORS:
        raise Uncheckable(f"no way to unpack {suffix} here")
    return _Unpacked(source, _DECOMPRESSORS[suffix], allowance)


class _Decompressor(Protocol):
    """What :class:`lzma.LZMADecompressor` is."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib, with the interface of :class:`lzma.LZMADecompressor`."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {".gz": _Gzip, ".xz": _xz}


class _Unpacked:
    """The members of a compressed file, unpacked one after the other."""

    def __init__(
        self,
        source: ByteSource,
        make_decompressor: Callable[[], _Decompressor],
        allowance: Allowance,
    ):
        self._source = source
        self._make_decompressor = make_decompressor
        self._decompressor = make_decompressor()
        self._members = 1
        self._allowance = allowance

    def read(self, size: int, /) -> bytes:
        while True:
            compressed = b""
            if self._decompressor.eof:
                compressed = self._decompressor.unused_data or self._source.read(COMPRESSED_CHUNK)
                if not compressed:
                    return b""
                self._begin_member()
            elif self._decompressor.needs_input:
                compressed = self._source.read(COMPRESSED_CHUNK)
                if not compressed:
                    raise Malformed("compressed data is cut short")
            if piece := self._decompress(compressed, size):
                self._allowance.spend(len(piece))
                return piece

    def _begin_member(self) -> None:
        self._members += 1
        if self._members > MEMBER_LIMIT:
            raise Malformed(f"more than {MEMBER_LIMIT} compressed streams in one file")
        self._decompressor = self._make_decompressor()

    def _decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._decompressor.decompress(data, size)
        except (zlib.error, lzma.LZMAError) as error:
            # CPython has no type of its own for this one.
            if str(error) == _MEMORY_LIMIT_REACHED:
                raise Uncheckable("unpacking takes too much memory") from None
            raise Malformed(f"compressed data is broken: {error}") from None
        except MemoryError:
            raise Uncheckable("unpacking takes too much memory") from None
