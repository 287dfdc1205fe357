"""A request's bytes: exactly what was asked for, or nothing at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from menderproxy.upstream.errors import BadRequestTarget
from menderproxy.wire.response_head import field_key

RawHeaders = Sequence[tuple[bytes, bytes]]

# Neither of the two can hold the space between them.
_METHOD_AND_TARGET = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+")
_CR, _LF, _NUL = b"\r\n\0"
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
    beginning = method + b" " + target
    if not _METHOD_AND_TARGET.fullmatch(beginning):
        raise BadRequestTarget("the method or target holds bytes not allowed there")
    _check_names(*[name for name, _ in headers])
    lines = [beginning + b" HTTP/1.1", *map(b": ".join, headers)]
    together = b"".join(lines)
    if _CR in together or _LF in together or _NUL in together:
        raise BadRequestTarget("a header holds bytes not allowed there")
    if body is None and method in _WITH_BODY:
        body = b""
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])


# The same ones come again with each request of the same kind.
@lru_cache(maxsize=64)
def _check_names(*names: bytes) -> None:
    try:
        keys = [field_key(name) for name in names]
    except ValueError:
        raise BadRequestTarget("a header's name holds bytes not allowed there") from None
    if not _FRAMING.isdisjoint(keys):
        raise BadRequestTarget("a header frames the body, which is not the caller's to do")
    if keys.count(b"host") != 1:
        raise BadRequestTarget("there has to be exactly one Host header")
