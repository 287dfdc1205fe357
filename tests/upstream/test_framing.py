"""Bodies told from their framing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.framing import (
    LONGEST_LINE,
    LONGEST_TRAILERS,
    ByLength,
    Chunked,
    Framing,
    UntilClosed,
    Whole,
    framing_of,
)
from menderproxy.wire.response_head import MalformedAnswer, ResponseHead
from tests.wire.properties import examples


def framing(*lines: bytes, here: int = 0) -> Framing:
    """Give the framing of an answer with some headers, of whose body so many bytes are here."""
    return framing_of(ResponseHead.parse(b"\r\n".join([b"HTTP/1.1 200 OK", *lines])), here)


class KindTests(SynchronousTestCase):
    """Which framing an answer has."""

    def test_kinds(self) -> None:
        """Chunks, a length, or the end of the connection."""
        self.assertIsInstance(framing(b"Transfer-Encoding: chunked"), Chunked)
        self.assertIsInstance(framing(b"Content-Length: 1"), ByLength)
        self.assertIsInstance(framing(), UntilClosed)

    def test_whole(self) -> None:
        """A body that is all here is told by its length, neither shorter nor longer."""
        for here, kind in ((0, ByLength), (1, ByLength), (2, Whole), (3, ByLength)):
            self.assertIsInstance(framing(b"Content-Length: 2", here=here), kind)
        self.assertIsInstance(framing(b"Content-Length: 0"), Whole)


class LengthTests(SynchronousTestCase):
    """So many bytes."""

    def test_end(self) -> None:
        """The body is over with its last byte, and not before."""
        body = ByLength(5)
        self.assertEqual((body.feed(b"abc"), body.is_over), (b"abc", False))
        self.assertEqual((body.feed(b"de"), body.is_over, body.has_excess), (b"de", True, False))

    def test_excess(self) -> None:
        """What comes behind it is not part of it."""
        body = ByLength(2)
        self.assertEqual((body.feed(b"abc"), body.is_over, body.has_excess), (b"ab", True, True))

    def test_empty(self) -> None:
        """An empty body is over before it began."""
        body = ByLength(0)
        self.assertEqual((body.feed(b""), body.is_over, body.has_excess), (b"", True, False))
        body = ByLength(0)
        self.assertEqual((body.feed(b"a"), body.is_over, body.has_excess), (b"", True, True))

    def test_not_copied(self) -> None:
        """Bytes of the body are passed on, not copied."""
        data = b"x" * 1000
        for body in (ByLength(1000), ByLength(2000), UntilClosed(), Whole()):
            self.assertIs(body.feed(data), data)


class ClosedTests(SynchronousTestCase):
    """All there is."""

    def test_never_over(self) -> None:
        """No byte can be the last."""
        body = UntilClosed()
        self.assertEqual((body.feed(b"abc"), body.is_over, body.has_excess), (b"abc", False, False))


class ChunkTests(SynchronousTestCase):
    """Chunks."""

    def test_chunks(self) -> None:
        """A body is what its chunks hold; sizes may be spelled in several ways."""
        body = Chunked()
        raw = b'3\r\nabc\r\n00A\r\n0123456789\r\n1;x="\xe9"\r\nd\r\n000\r\n\r\n'
        self.assertEqual(body.feed(raw), b"abc0123456789d")
        self.assertTrue(body.is_over)
        self.assertFalse(body.has_excess)

    def test_trailers(self) -> None:
        """Trailers are dropped."""
        body = Chunked()
        self.assertEqual(body.feed(b"1\r\na\r\n0\r\nX-A: 1\r\nX-B: 2\r\n"), b"a")
        self.assertFalse(body.is_over)
        body.feed(b"\r\n")
        self.assertTrue(body.is_over)

    def test_excess(self) -> None:
        """What comes behind the last of them is not part of the body."""
        body = Chunked()
        self.assertEqual(body.feed(b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), b"a")
        self.assertTrue(body.has_excess)

    def test_not_copied(self) -> None:
        """What is all within a chunk is passed on, not copied."""
        body = Chunked()
        body.feed(b"fff\r\n")
        data = b"x" * 1000
        self.assertIs(body.feed(data), data)

    def test_malformed(self) -> None:
        """Whatever is not quite a chunk breaks the body."""
        for raw in (
            b"\r\n",
            b"xyz\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b"1_0\r\n",
            b" 1\r\n",
            b"1 \r\n",
            b"1\n;\r\n",
            b"1;\0\r\n",
            b"1" * 16 + b"\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1\r\na0\r\n\r\n",
        ):
            self.assertRaises(MalformedAnswer, Chunked().feed, raw)

    def test_limits(self) -> None:
        """Extensions and trailers have limits, however they come."""
        for raw in (
            b"1;" + b"x" * LONGEST_LINE,
            b"0\r\n" + b"x" * LONGEST_LINE,
            b"0\r\n" + b"A: b\r\n" * (LONGEST_TRAILERS // 4 + 1),
        ):
            self.assertRaises(MalformedAnswer, Chunked().feed, raw)
            body = Chunked()
            with self.assertRaises(MalformedAnswer):
                for position in range(len(raw)):
                    body.feed(raw[position : position + 1])

    @examples
    @given(
        st.lists(st.binary(min_size=1, max_size=20), max_size=5),
        st.lists(st.sampled_from([b"A: b\r\n", b"C:\r\n"]), max_size=2),
        st.lists(st.integers(0, 200)),
    )
    def test_segments(self, chunks: list[bytes], trailers: list[bytes], cuts: list[int]) -> None:
        """A body is the same in whatever segments it comes."""
        raw = b"".join(b"%x;e\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        raw += b"0\r\n" + b"".join(trailers) + b"\r\n"
        body = Chunked()
        places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
        pieces = [raw[a:b] for a, b in pairwise(places)]
        self.assertEqual(
            b"".join(map(body.feed, pieces[:-1])) + body.feed(pieces[-1]), b"".join(chunks)
        )
        self.assertEqual((body.is_over, body.has_excess), (True, False))
