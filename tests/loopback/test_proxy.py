"""Tests of forwarding with real sockets at both ends: the bytes on the line."""

from __future__ import annotations

from tests.loopback.gateway import API, GatewayTestCase
from tests.loopback.lines import LOOPBACK

CHUNKS = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class RequestTests(GatewayTestCase):
    """What reaches the upstream."""

    async def test_bytes(self) -> None:
        """A request reaches the upstream with its own target and body, and with our framing."""
        await self.start_gateway()
        device = await self.device()
        device.send(
            b"POST /api/devices/v1//x;y?a=%2f&b=%zz&& HTTP/1.1\r\n"
            b"Host: gateway.example\r\nX-Two: 1\r\nX-Two: 2\r\nX-Men-Signature: c2ln\r\n"
            b"Connection: keep-alive, X-Mine\r\nX-Mine: x\r\nX-Forwarded-Host: evil.example\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n\n\r\n0\r\n\r\n"
        )
        line = await self.upstream.accept()
        first, *headers = (await line.take_head()).split(b"\r\n")
        self.assertEqual(first, b"POST /api/devices/v1//x;y?a=%2f&b=%zz&& HTTP/1.1")
        self.assertEqual(
            sorted(headers),
            sorted(
                [
                    b"Host: %b:%d" % (LOOPBACK.encode(), self.upstream.port),
                    b"X-Two: 1",
                    b"X-Two: 2",
                    b"X-Men-Signature: c2ln",
                    b"X-Forwarded-For: 127.0.0.1",
                    b"X-Forwarded-Proto: http",
                    b"Content-Length: 3",
                ]
            ),
        )
        self.assertEqual(await line.take(3), b"{}\n")

    async def test_tls(self) -> None:
        """Who comes by TLS is said to have."""
        await self.start_gateway()
        await self.ask(tls=True)
        line = await self.upstream.accept()
        self.assertIn(b"\r\nX-Forwarded-Proto: https", await line.take_head())

    async def test_connection_used_again(self) -> None:
        """Requests share the upstream's connection, one after the other."""
        await self.start_gateway()
        line = None
        for number in range(3):
            device = await self.ask()
            if line is None:
                line = await self.upstream.accept()
            await line.take_head()
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
            await device.take_head()
            self.assertEqual(await device.take(1), b"%d" % number)
        self.assertEqual(len(self.upstream.lines), 1)


class AnswerTests(GatewayTestCase):
    """What reaches the device."""

    async def answered(self, raw: bytes) -> tuple[bytes, bytes]:
        """Send an answer, close the upstream's connection, and give what the device got."""
        await self.start_gateway()
        device = await self.ask(API, b"Connection: close")
        line = await self.forwarded()
        line.send(raw)
        line.wire.loseConnection()
        await device.until_lost()
        head, _, body = bytes(device.received).partition(b"\r\n\r\n")
        return head, body

    async def test_chunked(self) -> None:
        """A chunked answer is given chunks of our own, and loses its trailers."""
        head, body = await self.answered(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: y\r\n\r\n")
        self.assertIn(b"\r\nTransfer-Encoding: chunked", head)
        self.assertEqual(body.replace(b"5\r\nabcde\r\n", b"3\r\nabc\r\n2\r\nde\r\n"), CHUNKS)

    async def test_interim(self) -> None:
        """Interim answers stay with us: clients take them for the answer."""
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        head, body = await self.answered(
            interim + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        )
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"), head)
        self.assertEqual(body, b"{}")

    async def test_closed_line(self) -> None:
        """What only the closed line ended, as with old servers, is given an end."""
        head, body = await self.answered(b"HTTP/1.0 200 OK\r\n\r\nabc")
        self.assertIn(b"\r\nTransfer-Encoding: chunked", head)
        self.assertEqual(body, b"3\r\nabc\r\n0\r\n\r\n")

    async def test_no_body(self) -> None:
        """204 and 304 have none, and no framing."""
        for status in (b"204 No Content", b"304 Not Modified"):
            head, body = await self.answered(b"HTTP/1.1 %b\r\n\r\n" % status)
            self.assertTrue(head.startswith(b"HTTP/1.1 " + status), head)
            self.assertEqual(body, b"")
            self.assertNotIn(b"Content-Length", head)
            self.assertNotIn(b"Transfer-Encoding", head)
            await self._stop_gateway()


class FailureTests(GatewayTestCase):
    """Upstreams that can't be had."""

    async def status(self) -> bytes:
        """Ask, and give the status, having checked that the answer is whole."""
        device = await self.ask(API, b"Connection: close")
        await device.until_lost()
        head, _, body = bytes(device.received).partition(b"\r\n\r\n")
        self.assertIn(b"\r\nContent-Type: application/json", head)
        self.assertIn(b"\r\nContent-Length: %d\r\n" % len(body), head + b"\r\n")
        return head.split(b" ")[1]

    async def test_refused(self) -> None:
        """Nobody listens: 502."""
        await self.start_gateway()
        await self.upstream.stop()
        self.assertEqual(await self.status(), b"502")

    async def test_bad_tls(self) -> None:
        """No TLS that we could trust: 502."""
        await self.start_gateway(upstream=f"https://{LOOPBACK}:{self.upstream.port}")
        self.upstream.accept().addCallback(lambda line: line.send(b"HTTP/1.1 400 No TLS\r\n\r\n"))
        self.assertEqual(await self.status(), b"502")

    async def test_garbage(self) -> None:
        """No HTTP: 502."""
        await self.start_gateway()
        self.upstream.accept().addCallback(lambda line: line.send(b"SSH-2.0-what\r\n\r\n"))
        self.assertEqual(await self.status(), b"502")

    async def test_silent(self) -> None:
        """No answer in time: 504."""
        await self.start_gateway(UpstreamResponseTimeout="50ms")
        self.assertEqual(await self.status(), b"504")


class ConnectionLimitTests(GatewayTestCase):
    """More connections than the limit."""

    async def test_surplus(self) -> None:
        """A surplus connection is gone at once, with TLS as well; the others are served."""
        await self.start_gateway(MaxConnections=1)
        served = await self.device(tls=True)
        await self.round_trip(served)
        for tls in (False, True):
            surplus = await self.ask(tls=tls)
            await surplus.until_lost()
            self.assertEqual(surplus.count, 0)
            await self.round_trip(served)
        self.assertEqual(self.flushLoggedErrors(), [])
