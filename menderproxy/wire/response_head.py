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

Field = tuple[bytes, bytes]
"""Name and value of a header, as spelled."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_BEGINNING = re.compile(rb"HTTP/1\.[0-9] [1-9][0-9]{2}[ \r]")
_EXAMPLE = b"HTTP/1.1 200 "
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
# A line each, whatever stands between them; "*+" keeps nothing to come back to.
_FIELD = re.compile(
    rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+((?:[^\r\n\0]*[^\r\n\0 \t])?)[ \t]*+(?:\r\n|\Z)",
    re.MULTILINE,
)
_FOLD = re.compile(rb"\r\n[ \t]+")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(rb"[0-9]{1,18}")

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


@attrs.frozen
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
        status = _STATUS_LINE.fullmatch(status_line)
        if status is None:
            raise MalformedAnswer("the answer is no HTTP/1.1")
        fields = _fields(text) if text else []
        headers: list[Field] = []
        last: dict[bytes, bytes] = {}
        hop: dict[bytes, list[bytes]] = {}
        for field in fields:
            name, value = field
            key = field_key(name)
            if key in _HOP_BY_HOP:
                hop.setdefault(key, []).append(value)
                if not to_head or key != b"content-length":
                    continue
            headers.append(field)
            last[key] = value
        code, is_old = int(status[2]), status[1] == b"0"
        length, is_chunked = _framing(hop, code, to_head=to_head, is_old=is_old)
        is_persistent = not is_old and not _closes(hop)
        return cls(code, status[3] or b"", fields, headers, last, length, is_chunked, is_persistent)


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


# Names are few, and none is longer than the longest line.
@lru_cache(maxsize=256)
def field_key(name: bytes) -> bytes:
    """
    Give a header's name in lower case.

    :raises ValueError: it can't be one.
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError("that is no header's name")
    return name.lower()


def _fields(text: bytes) -> list[Field]:
    if len(text) > LONGEST_LINE and max(map(len, text.split(b"\r\n"))) > LONGEST_LINE:
        raise MalformedAnswer("a header of the answer is too long")
    fields: list[Field] = _FIELD.findall(text)
    if len(fields) > MOST_FIELDS:
        raise MalformedAnswer("the answer has too many headers")
    if len(fields) == text.count(b"\n") + 1:
        return fields
    if _FOLD.search(text):
        # An old way to break a long line.
        return _fields(_FOLD.sub(b" ", text))
    raise MalformedAnswer("a header of the answer is malformed")


def _framing(
    hop: Mapping[bytes, list[bytes]], code: int, *, to_head: bool, is_old: bool
) -> tuple[int | None, bool]:
    """Give the body's length, and whether it is chunked."""
    if code < 200:
        # Nothing is framed yet, whatever an upgrade's answer may say.
        return 0, False
    lengths, codings = hop.get(b"content-length"), hop.get(b"transfer-encoding")
    if lengths and codings:
        raise MalformedAnswer("the answer has both a Content-Length and a Transfer-Encoding")
    length = _length(lengths) if lengths else None
    if to_head or code in _BODILESS:
        return 0, False
    if codings:
        if is_old or [coding.lower() for coding in codings] != [b"chunked"]:
            raise MalformedAnswer("the answer has a Transfer-Encoding that is not known")
        return None, True
    return length, False


def _length(lengths: list[bytes]) -> int:
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise MalformedAnswer("the answer's Content-Length is not one number")
    return int(lengths[0])


def _closes(hop: Mapping[bytes, list[bytes]]) -> bool:
    return any(
        option.strip(b" \t").lower() == b"close"
        for value in hop.get(b"connection", ())
        for option in value.split(b",")
    )
