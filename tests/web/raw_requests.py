"""Requests as bytes, together with what a reader has to see in them."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st

from menderproxy.wire.request_head import RequestHead

NAMES = st.sampled_from((b"Host", b"host", b"Accept", b"X-MEN-Signature", b"Cookie", b"x_y!"))
VALUES = st.sampled_from((b"", b"a", b"a, b", b"a b\tc", b"\x80\xff", b"GET / HTTP/1.1", b":"))
TARGETS = st.sampled_from((b"/", b"/a?b=c", b"//%2f", b"*", b"http://a/", b"/a\x7f\xb0"))


@attrs.frozen
class Seen:
    """
    What was seen in one request.

    :param headers: their names in lower case, sorted.
    """

    method: bytes
    target: bytes
    version: bytes
    headers: list[tuple[bytes, list[bytes]]]
    body: bytes

    @classmethod
    def of(cls, head: RequestHead, body: bytes) -> Seen:
        """Tell what our reader saw."""
        headers = sorted(head.fields.items())
        return cls(head.method, head.target, head.version, headers, body)


def _chunked(chunks: list[bytes]) -> bytes:
    framed = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
    return framed + b"0\r\n\r\n"


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, Seen]:
    """Give one legal request."""
    chunks = draw(st.lists(st.binary(max_size=20), max_size=3))
    framing = draw(st.sampled_from((b"", b"Content-Length", b"Transfer-Encoding")))
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    body = b"".join(chunks) if framing else b""
    raw_body = body
    if framing == b"Content-Length":
        headers.append((framing, b"%d" % len(body)))
    elif framing:
        headers.append((framing, b"chunked"))
        raw_body = _chunked(chunks)
    method, target = draw(st.sampled_from((b"GET", b"PUT", b"M-X"))), draw(TARGETS)
    version = b"HTTP/1.1" if framing else draw(st.sampled_from((b"HTTP/1.1", b"HTTP/1.0")))
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    raw = b"%b %b %b\r\n%b\r\n%b" % (method, target, version, lines, raw_body)
    fields: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(value)
    return raw, Seen(method, target, version, sorted(fields.items()), body)


def pipelines() -> st.SearchStrategy[list[tuple[bytes, Seen]]]:
    """Give some legal requests, one behind the other."""
    return st.lists(requests(), max_size=4)
