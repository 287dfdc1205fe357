"""The head of a device's request, read so strictly that no two programs can read it differently."""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

from menderproxy.wire.headers import CONTROL_BYTES

LIMIT = 16 * 1024
"""Bytes that a head may have."""

MOST_HEADERS = 500

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""What names consist of, as a regular expression."""

# Up to \xb0, as Twisted's own (see tests/web/test_twisted_reading.py). The non-ASCII bytes among
# these are refused later, by an answer that says why.
_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\xb0]+) HTTP/1\.([01])" % TOKEN)
_NAME = re.compile(TOKEN)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_NOT_IN_LINES = b"\r\n\x00"
_NAMES_KEPT = 256


class BadHead(ValueError):
    """What came is no head of a request, or could be taken for two different ones."""


# Not frozen: that sets each attribute by a call, and takes four times as long.
@attrs.define
class RequestHead:
    """
    The head of a request.

    :param target: path and query, or whatever else stands in their place.
    :param version: ``HTTP/1.1`` or ``HTTP/1.0``.
    :param headers: names and values in their order, duplicates included, spelled as they came.
    :param fields: the same, to be looked up by the name in lower case.
    :param length: bytes of the body; ``None`` for a chunked one.
    :param is_clean: whether no line holds any of the
        :data:`menderproxy.wire.headers.CONTROL_BYTES`; only those that end lines are refused.
    """

    method: bytes
    target: bytes
    version: bytes
    headers: list[tuple[bytes, bytes]] = attrs.field(repr=False)
    fields: dict[bytes, list[bytes]] = attrs.field(repr=False)
    length: int | None
    is_clean: bool

    @classmethod
    def parse(cls, block: bytes) -> RequestHead:
        """
        Read a head.

        Refused are, besides what is no HTTP: folded headers, line ends and NUL within a line,
        white space before a colon, more than one length of the body, and all codings of it but
        ``chunked``.

        :param block: its lines, without the empty one at their end.
        :raises BadHead: it can't be read in one way only.
        """
        first, *lines = block.split(b"\r\n")
        ends = len(lines) * len(b"\r\n")
        is_clean = len(block) - len(block.translate(None, CONTROL_BYTES)) == ends
        if not is_clean and len(block) - len(block.translate(None, _NOT_IN_LINES)) != ends:
            raise BadHead("a line end or NUL within a line")
        request_line = _REQUEST_LINE.fullmatch(first)
        if request_line is None:
            raise BadHead("malformed request line")
        method, target, minor = request_line.groups()
        headers, fields = _headers(lines)
        version = b"HTTP/1." + minor
        length = _body_length(version, fields)
        return cls(method, target, version, headers, fields, length, is_clean)

    @property
    def wants_close(self) -> bool:
        """Whether the connection is to be closed after the answer."""
        if self.version != b"HTTP/1.1":
            return True
        options = b",".join(self.fields.get(b"connection", ())).lower().split(b",")
        return b"close" in [option.strip() for option in options]

    @property
    def wants_continue(self) -> bool:
        """Whether the device waits for a word before it sends the body."""
        return b"expect" in self.fields and self.length != 0 and self.version == b"HTTP/1.1"


def _headers(
    lines: list[bytes],
) -> tuple[list[tuple[bytes, bytes]], dict[bytes, list[bytes]]]:
    if len(lines) > MOST_HEADERS:
        raise BadHead("too many headers")
    headers: list[tuple[bytes, bytes]] = []
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        key = _key(name)
        if not colon:
            raise BadHead("a header without a colon")
        value = value.strip(b" \t")
        headers.append((name, value))
        if key in fields:
            fields[key].append(value)
        else:
            fields[key] = [value]
    return headers, fields


@lru_cache(_NAMES_KEPT)
def _key(name: bytes) -> bytes:
    # A folded line begins with white space, which no name does.
    if _NAME.fullmatch(name) is None:
        raise BadHead("malformed header name")
    return name.lower()


def _body_length(version: bytes, fields: dict[bytes, list[bytes]]) -> int | None:
    lengths, codings = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if codings is not None:
        # HTTP/1.0 knows none: a proxy on the way would take the chunks for the next request.
        if lengths or len(codings) > 1 or codings[0].lower() != b"chunked" or version < b"HTTP/1.1":
            raise BadHead("a transfer coding that is not, or not only, chunked")
        return None
    if lengths is None:
        return 0
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise BadHead("malformed Content-Length")
    return int(lengths[0])
