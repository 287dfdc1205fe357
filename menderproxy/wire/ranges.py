"""Arithmetic of the Range and Content-Range headers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

_RANGE = re.compile(rb"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)
_CONTENT_RANGE = re.compile(rb"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.IGNORECASE)
_BEYOND_ANY_FILE = 10**18


class Unsatisfiable(Exception):
    """
    A range that lies outside the object: to be answered with status 416.

    :param total: length of the object in bytes.
    """

    def __init__(self, total: int) -> None:
        super().__init__(f"no such range in {total} bytes")
        self.content_range = b"bytes */%d" % total


@attrs.frozen
class ByteRange:
    """Offsets of the first and the last byte of a range."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes the range has."""
        return self.last - self.first + 1

    def content_range(self, total: int) -> bytes:
        """Write the ``Content-Range`` value for an object of *total* bytes."""
        return b"bytes %d-%d/%d" % (self.first, self.last, total)


@attrs.frozen
class ContentRange:
    """What an answer with status 206 holds; *total* is ``None`` when the store does not know."""

    first: int
    last: int
    total: int | None


def parse_range(values: Sequence[bytes], total: int) -> ByteRange | None:
    """
    Choose the bytes of an object that a request wants.

    :param values: all ``Range`` header values of the request.
    :param total: length of the object in bytes.
    :returns: ``None`` for the whole object: no range asked, or one that is malformed or not
        supported, which a server has to ignore.
    :raises Unsatisfiable: when the range has no byte in the object.
    """
    wanted = _single_range(values)
    if wanted is None:
        return None
    first, last = wanted
    if first is None:
        assert last is not None, "one of the two is always there"
        first, last = max(0, total - last), total - 1
    last = total - 1 if last is None else min(last, total - 1)
    if first > last:
        raise Unsatisfiable(total)
    return ByteRange(first, last)


def is_resume(values: Sequence[bytes]) -> bool:
    """
    Whether a request continues a download: one range that starts behind the first byte.

    :param values: all ``Range`` header values of the request.
    """
    first, _ = _single_range(values) or (None, None)
    return bool(first)


def only_range(values: Sequence[bytes]) -> bytes | None:
    """
    Give the one range that a request asks for, fit to be passed on.

    :param values: all ``Range`` header values of the request.
    :returns: ``None`` where a server has to ignore them.
    """
    return None if _single_range(values) is None else values[0].strip()


def if_range_holds(values: Sequence[bytes], etag: str | None, last_modified: str | None) -> bool:
    """
    Whether the object is still the one that a request for a range means.

    :param values: all ``If-Range`` header values of the request; without any, it is.
    :param etag: the object's entity tag as its store wrote it; a weak one proves nothing.
    :param last_modified: the object's date as its store wrote it. Dates are compared as text:
        a client has to send back what it was given.
    """
    if len(values) != 1:
        return not values
    wanted = values[0].strip().decode("latin-1")
    return wanted == (etag if wanted.startswith('"') else last_modified)


def parse_content_range(value: bytes) -> ContentRange:
    """
    Read the ``Content-Range`` of a partial answer.

    :raises ValueError: when it is malformed or contradicts itself.
    """
    shape = _CONTENT_RANGE.fullmatch(value.strip())
    if shape is None:
        raise ValueError("malformed Content-Range")
    first, last = int(shape[1]), int(shape[2])
    total = None if shape[3] == b"*" else int(shape[3])
    if first > last or (total is not None and last >= total):
        raise ValueError("Content-Range contradicts itself")
    return ContentRange(first, last, total)


def _single_range(values: Sequence[bytes]) -> tuple[int | None, int | None] | None:
    """Read the only range asked for; an open end is ``None``, and ``None`` first is a suffix."""
    if len(values) != 1:
        return None
    shape = _RANGE.fullmatch(values[0].strip())
    if shape is None:
        return None
    first, last = _number(shape[1]), _number(shape[2])
    if first is None and last is None:
        return None
    if first is not None and last is not None and first > last:
        return None
    return first, last


def _number(digits: bytes) -> int | None:
    """Read digits; int() itself refuses thousands of them, and no file is that long anyway."""
    if not digits:
        return None
    significant = digits.lstrip(b"0") or b"0"
    return int(significant) if len(significant) <= 18 else _BEYOND_ANY_FILE
