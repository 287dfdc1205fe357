"""A request's bytes: exactly what was asked for, or nothing at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from menderproxy.upstream.errors import BadRequestTarget
from menderproxy.wire.response_head import field_key

RawHeaders = Sequence[tuple[bytes, bytes]]

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
# Two of them could be read as two different ends of the body.
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
# Some servers insist on a length where a body would have a meaning.
_WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})


def serialized(method: bytes, target: bytes, headers: RawHeaders, body: bytes | None) -> bytes:
    """
    Give a whole request, to be written at once.

    :param headers: with exactly one Host, and none that frame the body.
    :raises BadRequestTarget: it can't be sent; the text tells why, and quotes nothing.
    """
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target):
        raise BadRequestTarget("the method or target holds bytes not allowed there")
    pieces = [method, b" ", target, b" HTTP/1.1\r\n"]
    hosts = 0
    for name, value in headers:
        if _key(name) == b"host":
            hosts += 1
        pieces += (name, b": ", value, b"\r\n")
    if hosts != 1:
        raise BadRequestTarget("there has to be exactly one Host header")
    lines = len(headers) + len(("the request line", "the empty line"))
    if body is None and method in _WITH_BODY:
        body = b""
    if body is not None:
        pieces.append(b"Content-Length: %d\r\n" % len(body))
        lines += 1
    pieces.append(b"\r\n")
    head = b"".join(pieces)
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
        raise BadRequestTarget("a header holds bytes not allowed there")
    return head + body if body else head


def _key(name: bytes) -> bytes:
    try:
        key = field_key(name)
    except ValueError:
        raise BadRequestTarget("a header's name holds bytes not allowed there") from None
    if key in _FRAMING:
        raise BadRequestTarget("a header frames the body, which is not the caller's to do")
    return key
