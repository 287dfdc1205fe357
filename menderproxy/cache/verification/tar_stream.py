"""
A tar archive read once from front to back, trusting nothing that it says.

The standard library's reader keeps extension headers of any length in memory, follows links
and sparse maps, and overlooks what comes after the end. Here such archives are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs

BLOCK = 512
CHUNK = 256 * 1024
"""Bytes that are read at once."""

ENTRY_LIMIT = 20_000
"""Headers in one archive; a Mender artifact has some ten."""

NAME_LIMIT = 1024
"""Bytes of a name."""

EXTENSION_LIMIT = 64 * 1024
"""Bytes of an extension header, which has to be held in memory."""

USTAR = b"ustar\x0000"
GNU = b"ustar  \0"

REGULAR = (b"0", b"\0")
DIRECTORY = b"5"
PAX_EXTENSION = b"x"
GNU_LONG_NAME = b"L"


class Malformed(Exception):
    """Bytes that break the rules of their format; the text says in one line which rule."""


class ByteSource(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, and none only at the end."""


def read_fully(source: ByteSource, size: int) -> bytes:
    """Read exactly so many bytes, or fewer when the source ends before."""
    pieces = []
    while size and (piece := source.read(min(size, CHUNK))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def drain(source: ByteSource) -> None:
    """Read to the end and forget."""
    while source.read(CHUNK):
        pass


@attrs.define
class TarEntry:
    """
    One file or directory: a source of the bytes that are left to read of it.

    :ivar name: the whole path; what is not UTF-8 in it is escaped by surrogates.
    """

    name: str
    is_directory: bool
    size: int
    _source: ByteSource = attrs.field(repr=False)
    _left: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.size

    def read(self, size: int, /) -> bytes:
        """
        Return the next bytes, none at the end.

        :raises Malformed: when the archive ends before the entry does.
        """
        wanted = min(size, self._left)
        piece = self._source.read(wanted) if wanted else b""
        if wanted and not piece:
            raise Malformed(f"{self.name!a} is cut short")
        self._left -= len(piece)
        return piece

    def read_whole(self, limit: int) -> bytes:
        """
        Return the entry's bytes, which nobody has read yet.

        :raises Malformed: when there are more than ``limit``, or the archive ends before.
        """
        if self.size > limit:
            raise Malformed(f"{self.name!a} is longer than {limit} bytes")
        return read_fully(self, self.size)


def read_entries(source: ByteSource) -> Iterator[TarEntry]:
    """
    Go through an archive to the end of the source.

    What the caller leaves unread of an entry is skipped. The bytes that fill up an entry's last
    block may have any value; after the end mark there may be zeros only.

    :raises Malformed: for anything but files and directories with names that occur once, and
        for an archive without an end mark.
    """
    names = set()
    extension = _Extension()
    for _ in range(ENTRY_LIMIT):
        block = read_fully(source, BLOCK)
        if block == bytes(BLOCK):
            _check_end(source)
            return
        header = _Header.parse(block)
        if header.type in (PAX_EXTENSION, GNU_LONG_NAME):
            extension = _read_extension(header, source, extension)
            continue
        entry = _make_entry(header, extension, source)
        if entry.name in names:
            raise Malformed(f"{entry.name!a} is there twice")
        names.add(entry.name)
        extension = _Extension()
        yield entry
        drain(entry)
        read_fully(source, _padding(entry.size))
    raise Malformed(f"more than {ENTRY_LIMIT} tar headers")


@attrs.frozen
class _Header:
    """The block before each entry."""

    name: bytes
    size: int
    type: bytes

    @classmethod
    def parse(cls, block: bytes) -> _Header:
        """Check a block's own checksum and read the fields that we use."""
        if len(block) < BLOCK:
            raise Malformed("the archive is cut short: it has no end mark")
        checksum = block[148:156]
        if _number(checksum) != sum(block) - sum(checksum) + 8 * ord(" "):
            raise Malformed("a tar header does not match its own checksum")
        name = _until_nul(block[:100])
        dialect = block[257:265]
        if dialect not in (USTAR, GNU):
            raise Malformed("a tar header is in a dialect that nobody writes any more")
        # GNU tar keeps times, not a path, in the place of the prefix.
        if dialect == USTAR and (prefix := _until_nul(block[345:500])):
            name = prefix + b"/" + name
        return cls(name, _number(block[124:136]), block[156:157])


@attrs.frozen
class _Extension:
    """What extension headers say of the entry that follows them, for want of room in its own."""

    name: bytes | None = None
    size: int | None = None


def _make_entry(header: _Header, extension: _Extension, source: ByteSource) -> TarEntry:
    name = extension.name or header.name
    if not 0 < len(name) <= NAME_LIMIT:
        raise Malformed(f"a tar entry has a name of {len(name)} bytes")
    text = name.decode("utf-8", "surrogateescape")
    size = header.size if extension.size is None else extension.size
    is_directory = header.type == DIRECTORY
    if not is_directory and header.type not in REGULAR:
        raise Malformed(f"{text!a} is neither file nor directory: type {header.type!r}")
    if is_directory and size:
        raise Malformed(f"{text!a} is a directory with a content")
    return TarEntry(text, is_directory, size, source)


def _read_extension(header: _Header, source: ByteSource, before: _Extension) -> _Extension:
    entry = TarEntry("an extension header", False, header.size, source)
    data = entry.read_whole(EXTENSION_LIMIT)
    read_fully(source, _padding(header.size))
    if header.type == GNU_LONG_NAME:
        return attrs.evolve(before, name=_until_nul(data))
    records = _pax_records(data)
    if any(key.startswith(b"GNU.sparse") for key in records):
        raise Malformed("a tar entry is sparse")
    size = records.get(b"size")
    if size is not None and not (size.isdigit() and len(size) < 20):
        raise Malformed("a pax header has a size that is not a number")
    return attrs.evolve(
        before,
        name=records.get(b"path", before.name),
        size=before.size if size is None else int(size),
    )


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    """Read lines ``LENGTH KEY=VALUE``; the length counts the whole line."""
    records = {}
    start = 0
    while start < len(data):
        digits, space, _ = data[start : start + 8].partition(b" ")
        end = start + int(digits) if digits.isdigit() else start
        line = data[start + len(digits) + len(space) : end]
        key, _, value = line.partition(b"=")
        if not value.endswith(b"\n") or end > len(data):
            raise Malformed("a pax header has a garbled record")
        records[key] = value[:-1]
        start = end
    return records


def _number(field: bytes) -> int:
    """Read octal digits, or the binary number that GNU tar writes for what is too big for them."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.lstrip(b" ").rstrip(b" \0")
    if digits.strip(b"01234567"):
        raise Malformed("a tar header has a field that is not a number")
    return int(digits or b"0", 8)


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _padding(size: int) -> int:
    """Return how many bytes fill up the last block of a content."""
    return -size % BLOCK


def _check_end(source: ByteSource) -> None:
    if read_fully(source, BLOCK) != bytes(BLOCK):
        raise Malformed("the archive is cut short: it has half an end mark")
    while piece := source.read(CHUNK):
        if piece != bytes(len(piece)):
            raise Malformed("something comes after the archive's end")
