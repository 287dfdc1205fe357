"""Tests of the strict reader, by which the gateway is judged."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.security.differential.reading import Doubt, Incomplete, Request, read_all, read_one

HEAD = b"PUT /x?y HTTP/1.1\r\nHost: g\r\n"
GET = b"GET / HTTP/1.1\r\nHost: g\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class ReadingTests(SynchronousTestCase):
    """What it takes, and what it leaves."""

    def test_request(self) -> None:
        """A request has its parts, and the bytes that it takes, of those behind it none."""
        raw = HEAD + b"X: y \r\nContent-Length: 02\r\n\r\n[]"
        request = read_one(raw + GET)
        headers = ((b"Host", b"g"), (b"X", b"y"), (b"Content-Length", b"02"))
        self.assertEqual(request, Request(b"PUT", b"/x?y", b"HTTP/1.1", headers, b"[]", b""))
        self.assertEqual(request.raw, raw)

    def test_chunks(self) -> None:
        """A chunked body is put together; extensions and trailers are left out."""
        for end in (b"0\r\n\r\n", b"00;x\r\nHost: x\r\nno header\r\n\r\n"):
            raw = CHUNKED + b"3;a=b\r\nabc\r\n0a ;x\r\n0123456789\r\n" + end
            request = read_one(raw + GET)
            self.assertEqual((request.body, request.raw), (b"abc0123456789", raw))

    def test_doubt(self) -> None:
        """What programs may read differently is not read."""
        for raw in (
            b"GET  / HTTP/1.1\r\nHost: g\r\n\r\n",
            b"GET / HTTP/1.1\nHost: g\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: g\r\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: g\r\n\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.2\r\nHost: g\r\n\r\n",
            b"GET http://g/ HTTP/1.1\r\nHost: g\r\n\r\n",
            HEAD + b"Host: g\r\n\r\n",
            HEAD + b" X: y\r\n\r\n",
            HEAD + b"X : y\r\n\r\n",
            HEAD + b"X: \x00\r\n\r\n",
            HEAD + b"Content-Length: +2\r\n\r\n[]",
            HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n[]",
            HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            HEAD + b"Transfer-Encoding: identity\r\n\r\n",
            CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
            CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
            CHUNKED + b"1\na\r\n0\r\n\r\n",
            CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
            CHUNKED + b"1;\x01\r\na\r\n0\r\n\r\n",
            CHUNKED + b"0\r\nX: y\nZ: z\r\n\r\n",
        ):
            self.assertRaises(Doubt, read_one, raw)

    def test_incomplete(self) -> None:
        """No beginning of a request is one, nor is it in doubt."""
        for raw in (
            HEAD + b"Content-Length: 2\r\n\r\n[]",
            CHUNKED + b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
        ):
            for length in range(len(raw)):
                self.assertRaises(Incomplete, read_one, raw[:length])

    def test_all(self) -> None:
        """Requests are read up to a doubt, or to one that ends the connection."""
        last = GET.replace(b"Host", b"Connection: x, CLOSE\r\nHost")
        for rest in (b"", b"GET", b"GET / HTTP/1.1\n" + GET):
            self.assertEqual(len(read_all(GET + b"\r\n" + GET + rest)), 2, rest)
        self.assertEqual(len(read_all(GET + last + GET)), 2)
        self.assertEqual(len(read_all(GET.replace(b"1.1", b"1.0") + GET)), 1)
        self.assertEqual(read_all(b"\r\n\r\n" + GET), [])
