"""Heads of answers: what is read out of them, and which are refused."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.response_head import (
    LONGEST,
    LONGEST_LINE,
    MOST_FIELDS,
    NAMES_KEPT,
    FieldKeys,
    MalformedAnswer,
    ResponseHead,
    check_beginning,
    field_key,
)


def parsed(
    *lines: bytes, status: bytes = b"HTTP/1.1 200 OK", to_head: bool = False
) -> ResponseHead:
    """Parse a head with some lines."""
    return ResponseHead.parse(b"\r\n".join([status, *lines]), to_head=to_head)


class HeadTestCase(SynchronousTestCase):
    """Can tell what is refused."""

    def assert_refused(self, *lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> None:
        """Assert that a head is refused, without quoting it."""
        error = self.assertRaises(MalformedAnswer, parsed, *lines, status=status)
        self.assertNotIn("s3cret", str(error))


class StatusLineTests(HeadTestCase):
    """The first line."""

    def test_understood(self) -> None:
        """Status and phrase are as they came; some servers leave the phrase out."""
        for line, code, phrase in (
            (b"HTTP/1.1 200 OK", 200, b"OK"),
            (b"HTTP/1.0 404 Not Found", 404, b"Not Found"),
            (b"HTTP/1.1 204", 204, b""),
            (b"HTTP/1.1 204 ", 204, b""),
            (b"HTTP/1.1 418 I'm a  caf\xe9\t", 418, b"I'm a  caf\xe9\t"),
            (b"HTTP/1.3 999 x", 999, b"x"),
        ):
            head = parsed(status=line)
            self.assertEqual((head.code, head.phrase), (code, phrase))

    def test_refused(self) -> None:
        """What is no HTTP/1, or no status of three digits, is refused."""
        for line in (
            b"",
            b"SSH-2.0-OpenSSH_9.2",
            b"HTTP/2.0 200 OK",
            b"HTTP/0.9 200 OK",
            b"HTTP/1.10 200 OK",
            b"http/1.1 200 OK",
            b"ICY 200 OK",
            b"HTTP/1.1",
            b"HTTP/1.1  200 OK",
            b"HTTP/1.1 20 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 +20 OK",
            b"HTTP/1.1 099 OK",
            b"HTTP/1.1 200OK",
            b"HTTP/1.1 200 s3cret\r",
            b"HTTP/1.1 200 s3cret\n",
            b"HTTP/1.1 200 s3cret\0",
            b"HTTP/1.1 200 s3cret\x1b[31m",
            b" HTTP/1.1 200 OK",
        ):
            self.assert_refused(b"A: b", status=line)


class FieldTests(HeadTestCase):
    """The headers."""

    def test_as_they_are(self) -> None:
        """Names as spelled, values without the space around them, all in order."""
        head = parsed(
            b"X-b: 1",
            b"x-A:2",
            b"X-B: \t 3 4 \t",
            b"Empty:",
            b"Blank:  \t",
            b"~!#$: \xe9:",
            b"Feed: \x0b\x0c",
        )
        fields = [
            (b"X-b", b"1"),
            (b"x-A", b"2"),
            (b"X-B", b"3 4"),
            (b"Empty", b""),
            (b"Blank", b""),
            (b"~!#$", b"\xe9:"),
            (b"Feed", b"\x0b\x0c"),
        ]
        self.assertEqual(head.fields, fields)
        self.assertEqual(head.headers, fields)
        self.assertEqual((head.last[b"x-b"], head.last[b"empty"]), (b"3 4", b""))

    def test_none(self) -> None:
        """An answer may have none."""
        self.assertEqual(parsed().fields, [])

    def test_hop_by_hop(self) -> None:
        """What speaks of this connection, or frames this body, is left out of what goes on."""
        head = parsed(
            b"connection: Upgrade",
            b"Keep-Alive: timeout=5",
            b"TE: x",
            b"Trailers: x",
            b"Upgrade: websocket",
            b"Proxy-Connection: x",
            b"CONTENT-LENGTH: 1",
            b"X-A: 1",
        )
        self.assertEqual(len(head.fields), 8)
        self.assertEqual(head.headers, [(b"X-A", b"1")])
        self.assertEqual(list(head.last), [b"x-a"])

    def test_folded(self) -> None:
        """A value that goes on in the next line is one value, with a space in between."""
        head = parsed(b"X-A: 1", b" 2", b"\t  3 ", b"X-B: 4", b"   ", b"X-C: 5")
        self.assertEqual(head.headers, [(b"X-A", b"1 2 3"), (b"X-B", b"4"), (b"X-C", b"5")])

    def test_malformed(self) -> None:
        """A line that is no header, or could be taken for two, is refused."""
        for line in (
            b"s3cret",
            b": s3cret",
            b"A : s3cret",
            b"A\t: s3cret",
            b"( A: s3cret",
            b"A(: s3cret",
            b"\xe9: s3cret",
            b"A: s3cret\nB: c",
            b"A: s3cret\rB: c",
            b"A: s3cret\0",
            b"A: s3cret\r",
            b"A: s3cret\n",
        ):
            self.assert_refused(b"X: y", line, b"Z: z")
            self.assert_refused(line)
            self.assert_refused(b"X: y", line)

    def test_folded_status(self) -> None:
        """The status line can't go on in the next one."""
        self.assert_refused(b" A: b", b"C: d")

    def test_limits(self) -> None:
        """There is a limit to the head, to a line of it, and to their number."""
        parsed(*[b"A: b"] * MOST_FIELDS)
        parsed(*[b"A: b", b" c"] * MOST_FIELDS)
        self.assert_refused(*[b"A: b"] * (MOST_FIELDS + 1))
        parsed(b"AA:" + b"x" * (LONGEST_LINE - 3), b"A: b")
        self.assert_refused(b"AA:" + b"x" * (LONGEST_LINE - 2), b"A: b")
        self.assert_refused(b"A: b", b"AA:" + b"x" * LONGEST_LINE)
        self.assert_refused(*[b"A: " + b"x" * 8000] * (LONGEST // 8000 + 1))

    def test_not_slow(self) -> None:
        """The longest lines of nothing but spaces, or of no colon, are soon done with."""
        for line in (b"A:" + b" " * 60_000, b"A:" + b" \t" * 30_000 + b"\0", b"A" * 60_000):
            self.assert_refused(line)

    def test_key(self) -> None:
        """A name is a token, and its key the same in lower case."""
        self.assertEqual(field_key(b"X-Men-RequestID"), b"x-men-requestid")
        for name in (b"", b"a b", b"a:", b"a\r\n", b"\xe9"):
            self.assertRaises(ValueError, field_key, name)

    def test_keys_kept(self) -> None:
        """No number of names fills the memory, and each still has its key."""
        keys = FieldKeys()
        for number in range(3 * NAMES_KEPT):
            self.assertEqual(keys[b"X-%d" % number], b"x-%d" % number)
            self.assertLessEqual(len(keys), NAMES_KEPT)
        self.assertEqual(keys[b"X-0"], b"x-0")


class FramingTests(HeadTestCase):
    """Where the body ends."""

    def assert_framed(self, head: ResponseHead, length: int | None, *, chunked: bool) -> None:
        """Assert how a body is framed."""
        self.assertEqual((head.length, head.is_chunked), (length, chunked))

    def test_length(self) -> None:
        """A Content-Length is one decimal number."""
        self.assert_framed(parsed(b"content-length: 0012"), 12, chunked=False)
        for value in (b"", b"-1", b"+1", b"1.0", b"0x1", b"1 2", b"1, 1", b"\xb2", b"9" * 19):
            self.assert_refused(b"Content-Length: " + value)

    def test_lengths(self) -> None:
        """Two of them are one too many, even of the same."""
        self.assert_refused(b"Content-Length: 1", b"Content-Length: 2")
        self.assert_refused(b"Content-Length: 1", b"content-length: 1")

    def test_chunked(self) -> None:
        """Chunks are the one transfer coding there is."""
        self.assert_framed(parsed(b"Transfer-Encoding: Chunked"), None, chunked=True)
        for coding in (b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b"", b"x"):
            self.assert_refused(b"Transfer-Encoding: " + coding)
        self.assert_refused(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")

    def test_chunked_in_old_http(self) -> None:
        """HTTP/1.0 has no chunks: somebody on the way did not understand what it passed on."""
        self.assert_refused(b"Transfer-Encoding: chunked", status=b"HTTP/1.0 200 OK")

    def test_both(self) -> None:
        """Chunks and a length contradict each other."""
        for status in (b"HTTP/1.1 200 OK", b"HTTP/1.1 204 No Content"):
            self.assert_refused(b"Content-Length: 1", b"Transfer-Encoding: chunked", status=status)

    def test_interim(self) -> None:
        """An interim answer frames nothing, whatever it says."""
        lines = (b"Content-Length: x", b"Transfer-Encoding: y")
        for status in (b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 103 Early Hints"):
            self.assert_framed(parsed(*lines, status=status), 0, chunked=False)

    def test_neither(self) -> None:
        """Without either, only the connection's end can end the body."""
        self.assert_framed(parsed(b"A: b"), None, chunked=False)

    def test_bodiless(self) -> None:
        """Some answers have no body, whatever they say."""
        for line in (b"Content-Length: 7", b"Transfer-Encoding: chunked", b"A: b"):
            for status in (b"HTTP/1.1 100 C", b"HTTP/1.1 204 N", b"HTTP/1.1 304 N"):
                self.assert_framed(parsed(line, status=status), 0, chunked=False)
            self.assert_framed(parsed(line, to_head=True), 0, chunked=False)

    def test_to_head(self) -> None:
        """The answer to a HEAD request says how long the body of a GET would be."""
        head = parsed(b"Content-Length: 7", b"Transfer-encoding2: x", to_head=True)
        self.assertEqual(head.last[b"content-length"], b"7")
        self.assertIn((b"Content-Length", b"7"), head.headers)

    def test_persistent(self) -> None:
        """Another request may follow unless the answer, or the version, says otherwise."""
        for line, persistent in (
            (b"A: close", True),
            (b"Connection: keep-alive", True),
            (b"Connection: x-close", True),
            (b"Connection: close", False),
            (b"connection: Keep-Alive,\tClose ", False),
        ):
            self.assertIs(parsed(line).is_persistent, persistent)
        self.assertFalse(parsed(b"Connection: x", b"Connection: close").is_persistent)
        old = parsed(b"Connection: keep-alive", status=b"HTTP/1.0 200 OK")
        self.assertFalse(old.is_persistent)


class BeginningTests(SynchronousTestCase):
    """Heads that are not all here."""

    def test_waited_for(self) -> None:
        """What may become a head is waited for."""
        head = b"HTTP/1.0 404 Not Found\r\nA: b\r\n"
        for size in range(len(head) + 1):
            check_beginning(head[:size])
        check_beginning(b"HTTP/1.1 204\r")
        check_beginning(b"HTTP/1.1 200 OK\r\nA:".ljust(LONGEST))

    def test_hopeless(self) -> None:
        """What can't is not."""
        for data in (
            b"h",
            b"HTTP/2",
            b"HTTP/1.1\r",
            b"HTTP/1.1 1x",
            b"HTTP/1.1 2000",
            b"\r\n",
            b"HTTP/1.1 200 OK\nA",
            b"HTTP/1.1 200 OK\r\nA: b\n",
            b"HTTP/1.1 200 OK\r\nA:".ljust(LONGEST + 1),
        ):
            self.assertRaises(MalformedAnswer, check_beginning, data)
