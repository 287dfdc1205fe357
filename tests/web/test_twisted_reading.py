"""
Our reader of requests beside Twisted's: whatever that refuses, ours does.

The other way round there are some things, listed here, that only Twisted's takes.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import http

from menderproxy.web.request_body import Refused
from menderproxy.web.request_reader import RequestReader
from tests.web.raw_requests import Seen, pipelines
from tests.web.test_request_body import pieces
from tests.web.test_request_reader import read
from tests.wire.properties import examples

MOST = 1 << 30
ODD = (
    *(b"\r\n", b"\r", b"\n", b"\x00", b" ", b"\t", b":", b",", b";", b"\x0b", b"\x85", b"\xb1"),
    *(b"0", b"+", b"-", b"0x", b"_", b"chunked", b"GET / HTTP/1.1\r\n\r\n", b"\r\n ", b"\r\n\t"),
    *(b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n"),
)
EDITS = st.tuples(st.integers(0, 9999), st.integers(0, 3), st.sampled_from((b"", *ODD)))


class Recorded(http.Request):
    """Says what Twisted saw in it, and is done."""

    def process(self) -> None:
        """Take note."""
        headers: Any = self.requestHeaders.getAllRawHeaders()
        fields = sorted((name.lower(), list(values)) for name, values in headers)
        content: Any = self.content
        body = content.read()
        channel: Any = self.channel
        channel.seen.append(Seen(self.method, self.uri, self.clientproto, fields, body))
        self.finish()


class Recording(http.HTTPChannel):
    """Twisted's reader; how long a connection lasts is another matter."""

    requestFactory = Recorded
    timeOut = None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[Seen] = []

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """Go on."""
        return True


def read_by_twisted(*data: bytes) -> tuple[list[Seen], bool]:
    """Feed bytes to Twisted; gives what it saw, and whether it refused what came then."""
    channel, transport = Recording(), StringTransport()
    channel.makeConnection(transport)
    for piece in data:
        if transport.disconnecting:
            break
        try:
            channel.dataReceived(piece)
        except ValueError:
            # A number of thousands of digits, which Twisted trips over.
            return channel.seen, True
    return channel.seen, bool(transport.disconnecting)


def read_by_us(*data: bytes) -> tuple[list[Seen], bool]:
    """Do the same with our reader."""
    reader = RequestReader(MOST)
    seen: list[Seen] = []
    for piece in data:
        try:
            seen += read(reader, piece)
        except Refused:
            # What was whole before is lost on the way here.
            return seen, True
    return seen, False


def edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Replace some bytes by others."""
    for place, length, new in edits:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + length :]
    return data


class DifferenceTests(SynchronousTestCase):
    """What the two make of the same bytes."""

    @examples
    @given(pipelines(), st.lists(st.integers(0, 9999), max_size=9))
    def test_legal(self, pipeline: list[tuple[bytes, Seen]], cuts: list[int]) -> None:
        """Both see the same in whatever is legal."""
        data = pieces(b"".join(raw for raw, _ in pipeline), cuts)
        self.assertEqual(read_by_us(*data), read_by_twisted(*data))

    @examples
    @given(pipelines(), st.lists(EDITS, min_size=1, max_size=4))
    def test_edited(
        self, pipeline: list[tuple[bytes, Seen]], edits: list[tuple[int, int, bytes]]
    ) -> None:
        """Ours sees no request where Twisted sees none, or another one."""
        data = edited(b"".join(raw for raw, _ in pipeline), edits)
        # Byte by byte, so that nothing is lost when the next request is refused.
        ours, _ = read_by_us(*(bytes([byte]) for byte in data))
        twisteds, _ = read_by_twisted(data)
        self.assertEqual(ours, twisteds[: len(ours)])

    def test_stricter(self) -> None:
        """These only Twisted takes: another program might take them for something else."""
        start = b"PUT / HTTP/1.1\r\n"
        chunked = start + b"Transfer-Encoding: chunked\r\n\r\n"
        for data in (
            start + b"X: folded\r\n y\r\n\r\n",
            start + b"Transfer-Encoding: identity\r\n\r\n",
            start + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
            b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            start + b"Content-Length: %b1\r\n\r\nx" % (b"0" * 18),
            chunked + b"%b\r\n\r\n" % (b"0" * 16),
            chunked + b"0\r\nX\r\n\r\n",
            chunked + b"0\r\n\nX: y\r\n\r\n",
            chunked + b"0\r\n%b\r\n" % (b"X: y\r\n" * 5000),
            start + b"X: %b\r\n\r\n" % (b"x" * (16 * 1024 - 18)),
        ):
            seen, refused = read_by_twisted(data)
            self.assertEqual((len(seen), refused), (1, False), data[:80])
            self.assertEqual(read_by_us(data), ([], True), data[:80])
