"""
The head of an HTTP/1.1 answer: strict wherever the end of its body is at stake.

Whoever reads an answer's framing otherwise than its sender takes a part of one answer for the
next, and gives it to another device. So what is not clear is refused, and the connection with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import attrs

LONGEST = 64 * 1024
"""Bytes that a head may have."""
LONGEST_LINE = 16 * 1024
"""Bytes that one of its headers may have."""
MOST_FIELDS = 256
"""Headers that it may have."""
NAMES_KEPT = 256
"""Names of headers that are remembered; servers and devices use some thirty."""

Field = tuple[bytes, bytes]
"""Name and value of a header, as spelled."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_BEGINNING = re.compile(rb"HTTP/1\.[0-9] [1-9][0-9]{2}[ \r]")
_EXAMPLE = b"HTTP/1.1 200 "
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_FOLD = re.compile(rb"\r\n[ \t]+")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CR, _LF, _NUL = b"\r\n\0"
_MOST_DIGITS = 18

# They speak of this connection, or frame this message; who passes an answer on frames it anew.
_HOP_BY_HOP = frozenset(
    {
        b"content-length",
        b"connection",
        b"keep-alive",
        b"te",
        b"trailers",
        b"transfer-encoding",
        b"upgrade",
        b"proxy-connection",
    }
)
_BODILESS = frozenset({204, 304})


class MalformedAnswer(ValueError):
    """What came is no HTTP/1.1, or may be understood in more than one way."""


# Not frozen: that sets each attribute by a call, and takes four times as long.
@attrs.define
class ResponseHead:
    """
    The head of one answer.

    :param phrase: the reason phrase; empty where there is none.
    :param fields: all headers, in order, with duplicates.
    :param headers: the same without those of this connection and this framing.
    :param last: the last value of each of those, by its name in lower case.
    :param length: bytes of the body; ``None`` when the head does not say.
    :param is_chunked: whether the body comes in chunks.
    :param is_persistent: whether another request may follow on the connection.
    """

    code: int
    phrase: bytes
    fields: list[Field]
    headers: list[Field]
    last: Mapping[bytes, bytes]
    length: int | None
    is_chunked: bool
    is_persistent: bool

    @classmethod
    def parse(cls, block: bytes, *, to_head: bool = False) -> ResponseHead:
        """
        Read a head.

        :param block: all of it, without the empty line at its end.
        :param to_head: whether it answers a HEAD request: there is no body, and the
            Content-Length is a header like any other.
        :raises MalformedAnswer: it is none, or it is not clear where its body ends.
        """
        if len(block) > LONGEST:
            raise MalformedAnswer("the head of the answer is too long")
        status_line, _, text = block.partition(b"\r\n")
        code, phrase, is_old = _status(status_line)
        fields: list[Field] = []
        headers: list[Field] = []
        last: dict[bytes, bytes] = {}
        hop: dict[bytes, bytes] = {}
        for key, field in _keyed_fields(text) if text else ():
            fields.append(field)
            if key in _HOP_BY_HOP:
                # Several mean the same as a list in one; two lengths are then no number.
                hop[key] = hop[key] + b"," + field[1] if key in hop else field[1]
                if not to_head or key != b"content-length":
                    continue
            headers.append(field)
            last[key] = field[1]
        length, is_chunked = _framing(hop, code, to_head=to_head, is_old=is_old)
        is_persistent = not is_old and not _closes(hop.get(b"connection", b""))
        return cls(code, phrase, fields, headers, last, length, is_chunked, is_persistent)


def check_beginning(data: bytes) -> None:
    """
    Look at what is here of a head: what can't become one is not waited for.

    :raises MalformedAnswer: whatever follows, this is none.
    """
    if len(data) > LONGEST:
        raise MalformedAnswer("the head of the answer is too long")
    if not _BEGINNING.match(data[: len(_EXAMPLE)] + _EXAMPLE[len(data) :]):
        raise MalformedAnswer("the answer is no HTTP/1.1")
    if _BARE_LINE_FEED.search(data):
        raise MalformedAnswer("the answer has lines that end without CR")


class FieldKeys(dict[bytes, bytes]):
    """
    Names of headers in lower case, by their spelling.

    They are few, so a look-up is nearly always all. For too many it begins anew; none is longer
    than the longest line.
    """

    def __missing__(self, name: bytes) -> bytes:
        if not _TOKEN.fullmatch(name):
            raise ValueError("that is no header's name")
        if len(self) >= NAMES_KEPT:
            self.clear()
        self[name] = key = name.lower()
        return key


field_key = FieldKeys().__getitem__
"""
Give a header's name in lower case.

:raises ValueError: it can't be one.
"""


# A server knows few of them.
@lru_cache(maxsize=64)
def _status(line: bytes) -> tuple[int, bytes, bool]:
    """Give the status, the phrase, and whether this is HTTP/1.0."""
    status = _STATUS_LINE.fullmatch(line)
    if status is None:
        raise MalformedAnswer("the answer is no HTTP/1.1")
    return int(status[2]), status[3] or b"", status[1] == b"0"


def _keyed_fields(text: bytes) -> list[tuple[bytes, Field]]:
    """Give the headers, each with its name in lower case."""
    lines = text.split(b"\r\n")
    if len(text) > LONGEST_LINE and max(map(len, lines)) > LONGEST_LINE:
        raise MalformedAnswer("a header of the answer is too long")
    fields: list[tuple[bytes, Field]] = []
    try:
        for line in lines:
            name, value = line.split(b":", 1)
            fields.append((field_key(name), (name, value.strip(b" \t"))))
    except ValueError:
        if _FOLD.search(text):
            # An old way to break a long line.
            return _keyed_fields(_FOLD.sub(b" ", text))
        raise MalformedAnswer("a header of the answer is malformed") from None
    if len(fields) > MOST_FIELDS:
        raise MalformedAnswer("the answer has too many headers")
    # What is left of these stood by itself, where another reader may see the end of a line.
    rest = b"".join(lines)
    if _CR in rest or _LF in rest or _NUL in rest:
        raise MalformedAnswer("a header of the answer is malformed")
    return fields


def _framing(
    hop: Mapping[bytes, bytes], code: int, *, to_head: bool, is_old: bool
) -> tuple[int | None, bool]:
    """Give the body's length, and whether it is chunked."""
    if code < 200:
        # Nothing is framed yet, whatever an upgrade's answer may say.
        return 0, False
    digits, coding = hop.get(b"content-length"), hop.get(b"transfer-encoding")
    if digits is not None and coding is not None:
        raise MalformedAnswer("the answer has both a Content-Length and a Transfer-Encoding")
    length = None if digits is None else _length(digits)
    if to_head or code in _BODILESS:
        return 0, False
    if coding is not None:
        if is_old or coding.lower() != b"chunked":
            raise MalformedAnswer("the answer has a Transfer-Encoding that is not known")
        return None, True
    return length, False


def _length(digits: bytes) -> int:
    # Of bytes only the ten of ASCII are digits.
    if not digits.isdigit() or len(digits) > _MOST_DIGITS:
        raise MalformedAnswer("the answer's Content-Length is not one number")
    return int(digits)


# It says hardly anything but "keep-alive" and "close".
@lru_cache(maxsize=64)
def _closes(connection: bytes) -> bool:
    return b"close" in [option.strip(b" \t").lower() for option in connection.split(b",")]
