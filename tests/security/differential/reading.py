"""A reader of HTTP/1 requests that takes only what every program reads alike."""

from __future__ import annotations

import re

import attrs

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%b) (/[!-~]*) (HTTP/1\.[01])" % _TOKEN)
_FIELD = re.compile(rb"(%b):[ \t]*([^\x00\r\n]*?)[ \t]*" % _TOKEN)
_CHUNK = re.compile(rb"(0*[0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_END = b"\r\n"
_HALF_AN_END = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")


class Doubt(Exception):
    """Programs may differ about the bytes."""


class Incomplete(Exception):
    """More bytes have to come."""


@attrs.frozen
class Request:
    """
    One request.

    :param headers: names and values, in order.
    :param raw: the bytes it was read from.
    """

    method: bytes
    target: bytes
    version: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    raw: bytes = attrs.field(eq=False, repr=False)

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header, its name in lower case."""
        return [value for each, value in self.headers if each.lower() == name]

    @property
    def is_last(self) -> bool:
        """Whether nothing is to be read behind it."""
        options = b",".join(self.values(b"connection")).lower().split(b",")
        return self.version == b"HTTP/1.0" or b"close" in [each.strip() for each in options]


def read_all(data: bytes) -> list[Request]:
    """Read requests to the end, to the first doubt, or to one that is the last by its own word."""
    requests: list[Request] = []
    try:
        while not (requests and requests[-1].is_last):
            # One empty line is forgiven: old clients end their bodies with it.
            requests.append(read_one(data.removeprefix(_END)))
            data = data.removeprefix(_END)[len(requests[-1].raw) :]
    except (Doubt, Incomplete):
        pass
    return requests


def read_one(data: bytes) -> Request:
    """
    Read the request that the bytes begin with.

    :raises Doubt: it can be read in several ways, or in none.
    :raises Incomplete: it has no end yet.
    """
    head, end, rest = data.partition(_END + _END)
    if _ends_by_halves(head, complete=bool(end)):
        raise Doubt("a line end that is half of one")
    if not end:
        raise Incomplete
    first, *lines = head.split(_END)
    line = _REQUEST_LINE.fullmatch(first)
    fields = [_FIELD.fullmatch(each) for each in lines]
    if line is None or None in fields:
        raise Doubt("a line of the head")
    method, target, version = line.groups()
    headers = tuple((field[1], field[2]) for field in fields if field is not None)
    bare = Request(method, target, version, headers, b"", b"")
    hosts = len(bare.values(b"host"))
    if hosts > 1 or (hosts == 0 and version == b"HTTP/1.1"):
        raise Doubt("Host")
    body, length = _body(bare, rest)
    return attrs.evolve(bare, body=body, raw=data[: len(head) + len(_END + _END) + length])


def _ends_by_halves(lines: bytes, *, complete: bool) -> bool:
    """Whether there is a CR or line feed by itself; what is not complete may end in a CR."""
    return bool(_HALF_AN_END.search(lines)) or (complete and lines.endswith(b"\r"))


def _body(request: Request, data: bytes) -> tuple[bytes, int]:
    """Read the body of a request, and tell how many bytes it takes on the line."""
    lengths, codings = request.values(b"content-length"), request.values(b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise Doubt("framed twice")
    if codings:
        if codings[0].lower() != b"chunked" or request.version == b"HTTP/1.0":
            raise Doubt("Transfer-Encoding")
        return _chunks(data)
    if not lengths:
        return b"", 0
    if not _LENGTH.fullmatch(lengths[0]):
        raise Doubt("Content-Length")
    length = int(lengths[0])
    if len(data) < length:
        raise Incomplete
    return data[:length], length


def _chunks(data: bytes) -> tuple[bytes, int]:
    body, read = b"", 0
    while True:
        line, end, rest = data[read:].partition(_END)
        if _ends_by_halves(line, complete=bool(end)):
            raise Doubt("a line end that is half of one")
        if not end:
            raise Incomplete
        chunk = _CHUNK.fullmatch(line)
        if chunk is None:
            raise Doubt("the size of a chunk")
        size = int(chunk[1], 16)
        read += len(line + _END)
        if size == 0:
            return body, read + _trailers(data[read:])
        if len(rest) < size + len(_END):
            raise Incomplete
        if rest[size : size + len(_END)] != _END:
            raise Doubt("the end of a chunk")
        body += rest[:size]
        read += size + len(_END)


def _trailers(data: bytes) -> int:
    """Tell how many bytes the trailers take; they are dropped, whatever they say."""
    if data.startswith(_END):
        return len(_END)
    lines, end, _ = data.partition(_END + _END)
    if not end:
        raise Incomplete
    if any(re.search(rb"[\x00\r\n]", each) for each in lines.split(_END)):
        raise Doubt("a trailer")
    return len(lines + end)
