"""Tests of reading the head of a request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.headers import CONTROL_BYTES
from menderproxy.wire.request_head import LIMIT, MOST_HEADERS, BadHead, RequestHead
from tests.wire.properties import examples

TOKENS = st.text(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1
).map(str.encode)
VALUES = st.binary().map(lambda value: value.translate(None, b"\r\n\x00").strip(b" \t"))
SPACE = st.sampled_from((b"", b" ", b"\t", b" \t "))
FRAMING = (b"content-length", b"transfer-encoding")
HEADERS = st.lists(
    st.tuples(TOKENS.filter(lambda name: name.lower() not in FRAMING), SPACE, VALUES, SPACE)
)


def parse(*lines: bytes) -> RequestHead:
    """Read some lines of headers behind a usual request line."""
    return RequestHead.parse(b"\r\n".join((b"PUT /x HTTP/1.1", *lines)))


class ParseTests(SynchronousTestCase):
    """What a head says."""

    def test_parts(self) -> None:
        """Target and headers stay as they came, and can be looked up in lower case."""
        head = RequestHead.parse(
            b"GET /a//%2f;b?c=d HTTP/1.1\r\nHost: g\r\nX-mEn-A:1\r\nx-MEN-a: \t 2 \r\nEmpty:"
        )
        self.assertEqual(
            (head.method, head.target, head.version), (b"GET", b"/a//%2f;b?c=d", b"HTTP/1.1")
        )
        self.assertEqual(
            head.headers,
            [(b"Host", b"g"), (b"X-mEn-A", b"1"), (b"x-MEN-a", b"2"), (b"Empty", b"")],
        )
        self.assertEqual(head.fields, {b"host": [b"g"], b"x-men-a": [b"1", b"2"], b"empty": [b""]})

    def test_no_headers(self) -> None:
        """A request line may stand alone."""
        head = RequestHead.parse(b"GET / HTTP/1.0")
        self.assertEqual((head.headers, head.fields, head.length), ([], {}, 0))

    def test_length(self) -> None:
        """The body's length is told by one header, or the body comes in chunks."""
        for line, length in (
            (b"Accept: x", 0),
            (b"Content-Length: 0", 0),
            (b"content-length: 0012", 12),
            (b"Transfer-Encoding: chunked", None),
            (b"TRANSFER-ENCODING: Chunked", None),
        ):
            self.assertEqual(parse(line).length, length, line)

    def test_close(self) -> None:
        """A connection is closed if one of the lists says so, and always with HTTP/1.0."""
        for lines, closes in (
            ((), False),
            ((b"Connection: keep-alive",), False),
            ((b"Connection: closed, X-close",), False),
            ((b"Connection: TE, Close",), True),
            ((b"Connection: te", b"connection:close"), True),
        ):
            self.assertEqual(parse(*lines).wants_close, closes, lines)
        old = RequestHead.parse(b"GET / HTTP/1.0\r\nConnection: keep-alive")
        self.assertTrue(old.wants_close)

    def test_clean(self) -> None:
        """It tells whether any header holds a control byte, be it one that some take for an end."""
        self.assertTrue(parse(b"A: b\tc \xc3\xa4", b"D: e").is_clean)
        for byte in CONTROL_BYTES.translate(None, b"\r\n\0"):
            self.assertFalse(parse(b"A: b", b"C: d%be" % bytes([byte]), b"F: g").is_clean, byte)

    def test_continue(self) -> None:
        """Only a request that has a body may wait for 100 Continue, and not with HTTP/1.0."""
        waiting = b"Expect: 100-continue"
        self.assertTrue(parse(waiting, b"Content-Length: 2").wants_continue)
        self.assertTrue(parse(waiting, b"Transfer-Encoding: chunked").wants_continue)
        self.assertFalse(parse(waiting, b"Content-Length: 0").wants_continue)
        self.assertFalse(parse(waiting).wants_continue)
        self.assertFalse(parse(b"Content-Length: 2").wants_continue)
        old = RequestHead.parse(b"PUT / HTTP/1.0\r\nExpect: x\r\nContent-Length: 2")
        self.assertFalse(old.wants_continue)

    def test_secrets(self) -> None:
        """A head is not shown with its headers."""
        self.assertNotIn("secret", repr(parse(b"Authorization: secret")))

    @examples
    @given(TOKENS, HEADERS)
    def test_any(self, method: bytes, headers: list[tuple[bytes, bytes, bytes, bytes]]) -> None:
        """Whatever is well-formed is read as it was meant."""
        lines = [b"%b:%b%b%b" % header for header in headers]
        head = RequestHead.parse(b"\r\n".join((b"%b /x HTTP/1.1" % method, *lines)))
        self.assertEqual(head.method, method)
        self.assertEqual(head.headers, [(name, value) for name, _, value, _ in headers])
        values = [value for values in head.fields.values() for value in values]
        self.assertEqual(sorted(values), sorted(value for _, value in head.headers))


class RefusalTests(SynchronousTestCase):
    """What is no head."""

    def assert_refused(self, *lines: bytes) -> None:
        """Assert that headers are refused, first, last and amid others."""
        for before in ((), (b"Host: g",)):
            for after in ((), (b"Accept: x",)):
                self.assertRaises(BadHead, parse, *before, *lines, *after)

    def test_request_line(self) -> None:
        """A request line has exactly three parts, with nothing around them."""
        for line in (
            b"",
            b"GET",
            b"GET /",
            b"GET  / HTTP/1.1",
            b"GET / HTTP/1.1 ",
            b" GET / HTTP/1.1",
            b"GET\t/\tHTTP/1.1",
            b"GET / / HTTP/1.1",
            b"GET / HTTP/1.2",
            b"GET / HTTP/2",
            b"GET / http/1.1",
            b"GET / HTTP/1.1\x00",
            b"G\xc4T / HTTP/1.1",
            b"(GET) / HTTP/1.1",
            b"GET /\x1f HTTP/1.1",
            b"GET /\xff HTTP/1.1",
        ):
            self.assertRaises(BadHead, RequestHead.parse, line + b"\r\nHost: g")

    def test_line_ends(self) -> None:
        """Half line ends and NUL are refused wherever they stand."""
        for byte in (b"\r", b"\n", b"\x00"):
            for line in (b"X: a%bb", b"X: a%b", b"%bX: a", b"X%b: a", b"X:%b"):
                self.assert_refused(line % byte)
            self.assertRaises(BadHead, RequestHead.parse, b"GET /%b HTTP/1.1" % byte)

    def test_names(self) -> None:
        """A name is a token, and right before the colon."""
        for line in (b"X : a", b"X\t: a", b" X: a", b": a", b"X", b"X\x80: a", b"X(: a", b"a b: c"):
            self.assert_refused(line)

    def test_folded(self) -> None:
        """Headers are not folded."""
        self.assert_refused(b"X: a", b" b")
        self.assert_refused(b"X: a", b"\tb: c")
        self.assert_refused(b"X: a", b"")

    def test_lengths(self) -> None:
        """There is one way to tell the body's length, and one spelling of a number."""
        for length in (b"", b"+3", b"-3", b"3, 3", b"3 3", b"0x3", b"3.0", b"\xb2", b"9" * 19):
            self.assert_refused(b"Content-Length: " + length)
        self.assert_refused(b"Content-Length: 3", b"content-length: 3")
        for coding in (b"", b"xchunked", b"gzip, chunked", b"chunked, chunked", b"identity"):
            self.assert_refused(b"Transfer-Encoding: " + coding)
        self.assert_refused(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")
        self.assert_refused(b"Transfer-Encoding: chunked", b"Content-Length: 3")
        self.assert_refused(b"Content-Length: 3", b"Transfer-Encoding: chunked")

    def test_chunks_before_their_time(self) -> None:
        """HTTP/1.0 knows no chunks."""
        old = b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked"
        self.assertRaises(BadHead, RequestHead.parse, old)

    def test_many(self) -> None:
        """There may be only so many headers."""
        self.assertEqual(len(parse(*[b"X: y"] * MOST_HEADERS).headers), MOST_HEADERS)
        self.assertRaises(BadHead, parse, *[b"X: y"] * (MOST_HEADERS + 1))

    @examples
    @given(st.binary(max_size=LIMIT))
    def test_garbage(self, garbage: bytes) -> None:
        """Whatever comes is read or refused; nothing else happens."""
        for block in (garbage, b"GET / HTTP/1.1\r\n" + garbage):
            try:
                RequestHead.parse(block)
            except BadHead as error:
                self.assertTrue(str(error).isprintable())
