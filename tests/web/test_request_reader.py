"""Tests of cutting requests out of the bytes that a device sends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.web.request_body import Refused
from menderproxy.web.request_reader import RequestReader
from menderproxy.wire.request_head import LIMIT
from tests.web.raw_requests import Seen, pipelines
from tests.web.test_request_body import pieces
from tests.wire.properties import examples

MOST = 100


def read(reader: RequestReader, *data: bytes) -> list[Seen]:
    """Feed bytes, and give what requests they make."""
    found = []
    for piece in data:
        reader.feed(piece)
        while (complete := reader.take()) is not None:
            found.append(Seen.of(*complete))
    return found


class ReaderTestCase(SynchronousTestCase):
    """Has a reader."""

    def setUp(self) -> None:
        """Make the reader."""
        self.reader = RequestReader(MOST)

    def assert_refused(self, data: bytes, status: int = 400) -> None:
        """Assert that bytes are refused, in one piece or in many."""
        for step in (len(data), 1):
            fed = [data[at : at + step] for at in range(0, len(data), step)]
            with self.assertRaises(Refused) as caught:
                read(RequestReader(MOST), *fed)
            self.assertEqual(caught.exception.status, status, data[:60])


class HeadTests(ReaderTestCase):
    """When a head is there."""

    def test_pipeline(self) -> None:
        """Each request is given with its own body, in their order; the rest is kept."""
        self.reader.feed(
            b"PUT /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\n\r\n"
            b"PUT /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\nGET /4"
        )
        for target, body in ((b"/1", b"ab"), (b"/2", b""), (b"/3", b"c")):
            complete = self.reader.take()
            assert complete is not None
            self.assertEqual((complete[0].target, complete[1]), (target, body))
        self.assertIsNone(self.reader.take())
        self.assertEqual(self.reader.buffered, b"GET /4")

    def test_awaited_body(self) -> None:
        """A head can be looked at as long as its body is awaited."""
        self.assertEqual(read(self.reader, b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n"), [])
        self.assertIsNone(self.reader.head)
        self.assertEqual(read(self.reader, b"\r\n", b"a", b"b"), [])
        assert self.reader.head is not None
        self.assertEqual((self.reader.head.length, self.reader.buffered), (3, b""))
        self.assertEqual(len(read(self.reader, b"cGET")), 1)
        self.assertEqual((self.reader.head, self.reader.buffered), (None, b"GET"))

    def test_empty_line(self) -> None:
        """One empty line before each request is passed over, as some send it behind a body."""
        line, request = b"\r\n", b"GET / HTTP/1.1\r\n\r\n"
        for data in ([line + request, line + request], [b"\r", b"\n", request[:5], request[5:]]):
            self.assertEqual(len(read(RequestReader(MOST), *data)), len(b"".join(data)) // 18)
        self.assert_refused(line + line + request)
        self.assert_refused(request + line + line + request)

    def test_limit(self) -> None:
        """A head may have so many bytes and no more, whether it ends or not."""
        start = b"GET / HTTP/1.1\r\nX: "
        fitting = start + b"x" * (LIMIT - len(start))
        self.assertEqual(len(read(self.reader, fitting + b"\r\n\r\n")), 1)
        self.assert_refused(fitting + b"x\r\n\r\n")
        self.assert_refused(fitting + b"x" * 5)

    def test_limit_is_of_one_head(self) -> None:
        """Many requests at once may have more bytes together."""
        request = b"GET / HTTP/1.1\r\nX: y\r\n\r\n"
        count = LIMIT // len(request) + 2
        self.assertEqual(len(read(self.reader, request * count)), count)

    def test_taken_over(self) -> None:
        """What is behind a request may be taken for another protocol."""
        read(self.reader, b"GET / HTTP/1.1\r\n\r\n\x81\x00")
        self.assertEqual(self.reader.take_rest(), b"\x81\x00")
        self.assertEqual(self.reader.buffered, b"")

    def test_refused(self) -> None:
        """A malformed head is refused, and so is a body that is too large."""
        self.assert_refused(b"GET / HTTP/1.1\r\nX : y\r\n\r\n")
        for line in (b"Content-Length: 101", b"Transfer-Encoding: chunked"):
            self.assert_refused(b"PUT / HTTP/1.1\r\n%b\r\n\r\n65\r\n%b" % (line, b"x" * 101), 413)


class PipelineTests(SynchronousTestCase):
    """Any pipeline of requests."""

    @examples
    @given(pipelines(), st.lists(st.integers(0, 9999), max_size=20))
    def test_cut(self, pipeline: list[tuple[bytes, Seen]], cuts: list[int]) -> None:
        """Where the bytes are cut on their way makes no difference."""
        data = b"".join(raw for raw, _ in pipeline)
        reader = RequestReader(MOST)
        self.assertEqual(read(reader, *pieces(data, cuts)), [seen for _, seen in pipeline])
        self.assertEqual((reader.head, reader.buffered), (None, b""))
