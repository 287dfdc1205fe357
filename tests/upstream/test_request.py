"""Requests as bytes: all as asked for, or refused."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.errors import BadRequestTarget
from menderproxy.upstream.request import RawHeaders, serialized

HOST = (b"Host", b"mender.example.com")


class SerializedTests(SynchronousTestCase):
    """A request is one piece of bytes."""

    def assert_refused(
        self,
        method: bytes = b"GET",
        target: bytes = b"/",
        headers: RawHeaders = (HOST,),
        body: bytes | None = None,
    ) -> None:
        """Assert that a request is refused, and nothing of it quoted."""
        error = self.assertRaises(BadRequestTarget, serialized, method, target, headers, body)
        self.assertNotIn("s3cret", str(error))

    def test_whole(self) -> None:
        """Every byte is as given: spelling, order and duplicates of headers as well."""
        headers = [(b"x-b", b"1"), HOST, (b"X-A", b" \xe9\t"), (b"x-B", b""), (b"Connection", b"x")]
        self.assertEqual(
            serialized(b"PUT", b"/a?b;c", headers, b"\r\n\0"),
            b"PUT /a?b;c HTTP/1.1\r\nx-b: 1\r\nHost: mender.example.com\r\nX-A:  \xe9\t\r\n"
            b"x-B: \r\nConnection: x\r\nContent-Length: 3\r\n\r\n\r\n\0",
        )

    def test_length(self) -> None:
        """A length is told where there is a body, or where one would have a meaning."""
        for method, body, length in (
            (b"GET", None, None),
            (b"GET", b"", 0),
            (b"GET", b"a", 1),
            (b"HEAD", None, None),
            (b"DELETE", None, None),
            (b"POST", None, 0),
            (b"PUT", None, 0),
            (b"PATCH", None, 0),
            (b"PATCH", b"ab", 2),
        ):
            head, _, rest = serialized(method, b"/", [HOST], body).partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
            self.assertEqual(lines, [] if length is None else [b"Content-Length: %d" % length])
            self.assertEqual(rest, body or b"")

    def test_method(self) -> None:
        """A method is a token, of whatever spelling."""
        self.assertTrue(serialized(b"m-SEARCH", b"/", [HOST], None).startswith(b"m-SEARCH / "))
        for method in (b"", b"GET ", b"GET /s3cret", b"G\r\n", b"\xe9", b"G\0", b"G/"):
            self.assert_refused(method=method)

    def test_target(self) -> None:
        """A target has neither spaces nor control characters, nor anything beyond ASCII."""
        for byte in range(256):
            target = b"/s3cret" + bytes([byte])
            if 0x21 <= byte < 0x7F:
                self.assertIn(target, serialized(b"GET", target, [HOST], None))
            else:
                self.assert_refused(target=target)
        self.assert_refused(target=b"")
        self.assert_refused(target=b"/\n")

    def test_header_bytes(self) -> None:
        """No header can end its line, in its name or its value."""
        for bad in (b"\r", b"\n", b"\r\n", b"\0", b"\r\nX: y"):
            self.assert_refused(headers=[HOST, (b"X-A", b"s3cret" + bad)])
            self.assert_refused(headers=[HOST, (b"X-A", bad + b"s3cret")])
            self.assert_refused(headers=[HOST, (b"X" + bad, b"s3cret")])
        for name in (b"", b"X A", b"X:", b"\xe9"):
            self.assert_refused(headers=[HOST, (name, b"s3cret")])

    def test_cr_here_lf_there(self) -> None:
        """Nor can two that make up for what the other lacks."""
        self.assert_refused(headers=[HOST, (b"A", b"x\ry"), (b"B", b"x\ny")])

    def test_one_host(self) -> None:
        """There is one Host: servers differ in which of two they believe."""
        self.assert_refused(headers=[])
        self.assert_refused(headers=[HOST, (b"hOST", b"other")])

    def test_framing(self) -> None:
        """The framing of the body is nobody else's to say."""
        for name in (b"Content-Length", b"content-length", b"Transfer-Encoding"):
            self.assert_refused(headers=[HOST, (name, b"1")], body=b"a")
