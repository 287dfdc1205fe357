"""Tests of gathering the body of a request."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.web.request_body import (
    LONGEST_LINE,
    MOST_TRAILERS,
    Refused,
    RequestBody,
    request_body,
)
from tests.wire.properties import examples

MOST = 100


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut bytes into pieces."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


class BodyTestCase(SynchronousTestCase):
    """Feeds bodies."""

    def assert_body(self, body: RequestBody, data: bytes, content: bytes, rest: bytes) -> None:
        """Assert what is in a body, and what behind it."""
        self.assertEqual(body.feed(data), rest)
        self.assertEqual(body.content, content)

    def assert_refused(self, length: int | None, data: bytes, status: int = 400) -> None:
        """Assert that bytes are refused, in one piece or in many."""
        for fed in ([data], [bytes([byte]) for byte in data]):
            with self.assertRaises(Refused) as caught:
                body = request_body(length, MOST)
                for piece in fed:
                    body.feed(piece)
            self.assertEqual(caught.exception.status, status, data)


class SizedTests(BodyTestCase):
    """Bodies of a known length."""

    def test_whole(self) -> None:
        """What comes behind the last byte is not the body's."""
        self.assert_body(request_body(3, MOST), b"abcdef", b"abc", b"def")
        self.assert_body(request_body(3, MOST), b"abc", b"abc", b"")

    def test_in_pieces(self) -> None:
        """There is nothing behind a body that is not whole."""
        body = request_body(3, MOST)
        self.assertIsNone(body.feed(b""))
        self.assertIsNone(body.feed(b"ab"))
        self.assertEqual(body.feed(b"cd"), b"d")
        self.assertEqual(body.content, b"abc")

    def test_too_large(self) -> None:
        """A body that will be too large is refused before it comes."""
        with self.assertRaises(Refused) as caught:
            request_body(MOST + 1, MOST)
        self.assertEqual(caught.exception.status, 413)
        self.assertIsNone(request_body(MOST, MOST).feed(b"x" * (MOST - 1)))


class ChunkedTests(BodyTestCase):
    """Bodies in chunks."""

    def test_whole(self) -> None:
        """A body is what its chunks hold; sizes may be spelled in several ways."""
        for data in (
            b"3\r\nabc\r\n7\r\nde\r\nfgh\r\n0\r\n\r\n",
            b'03;a=b\r\nabc\r\n00007;\x80 "x"\r\nde\r\nfgh\r\n000;c\r\n\r\n',
            b"a\r\nabcde\r\nfgh\r\n0\r\nX: y\r\nZ:\r\n\r\n",
            b"A;\r\nabcde\r\nfgh\r\n0\r\n\r\n",
        ):
            self.assert_body(request_body(None, MOST), data + b"GET", b"abcde\r\nfgh", b"GET")

    def test_malformed(self) -> None:
        """What is not quite a chunk, or a trailer, ends it all."""
        for data in (
            b"\r\n",
            b"x\r\n",
            b"0x3\r\n",
            b"+3\r\n",
            b"-3\r\n",
            b" 3\r\n",
            b"3 \r\n",
            b"3 ;a\r\n",
            b"3_0\r\n",
            b"3\n\r\n",
            b"3;a\nb\r\n",
            b"3;a\rb\r\n",
            b"3;a\x00\r\n",
            b"3;a\x7f\r\n",
            b"1" * 16 + b"\r\n",
            b"3\r\nabcd\r\n",
            b"3\r\nabc\n\r\n",
            b"3\r\nabc0\r\n\r\n",
            b"0\r\n\n\r\n",
            b"0\r\nX\r\n",
            b"0\r\nX : y\r\n",
            b"0\r\n X: y\r\n",
            b"0\r\nX: y\nZ: z\r\n",
            b"0\r\nX: y\rz\r\n",
            b"0\r\nX: y\x00\r\n",
            b"0\r\nGET / HTTP/1.1\r\n",
        ):
            self.assert_refused(None, data)

    def test_too_large(self) -> None:
        """A chunk that makes the body too large is refused before it comes."""
        half = b"%x\r\n%b\r\n" % (MOST // 2, b"x" * (MOST // 2))
        self.assert_body(request_body(None, MOST), half * 2 + b"0\r\n\r\n", b"x" * MOST, b"")
        self.assert_refused(None, half * 2 + b"1\r\n", 413)
        self.assert_refused(None, b"fffffffffffffff\r\n", 413)

    def test_long_lines(self) -> None:
        """A line that does not end is refused, not kept."""
        for start in (b"0;", b"0\r\nX:"):
            long = b"x" * LONGEST_LINE
            self.assert_refused(None, start + long)
            self.assert_refused(None, start + long + b"\r\n")

    def test_many_trailers(self) -> None:
        """Trailers that do not end are refused as well."""
        trailer = b"X: " + b"y" * 97
        fitting = (trailer + b"\r\n") * (MOST_TRAILERS // len(trailer))
        self.assert_body(request_body(None, MOST), b"0\r\n%b\r\n" % fitting, b"", b"")
        self.assert_refused(None, b"0\r\n%b%b\r\n" % (fitting, trailer))

    @examples
    @given(
        st.lists(st.binary(min_size=1, max_size=9), max_size=9),
        st.binary(max_size=9),
        st.lists(st.integers(0, 999), max_size=9),
    )
    def test_cut(self, chunks: list[bytes], behind: bytes, cuts: list[int]) -> None:
        """Where the bytes are cut on their way makes no difference."""
        framed = b"".join(b"%x;e\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        fed = pieces(framed + b"0\r\nX: y\r\n\r\n" + behind, cuts)
        body = request_body(None, MOST)
        rest = None
        while rest is None:
            rest = body.feed(fed.pop(0))
        self.assertEqual(body.content, b"".join(chunks))
        self.assertEqual(rest + b"".join(fed), behind)
