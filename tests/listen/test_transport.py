"""Parts of files over real connections, in plain and by TLS."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.threads import deferToThread

from menderproxy.transport.secure import PIECE
from menderproxy.transport.spans import TURN
from tests.listen.transport_testcase import (
    DATA,
    FileSpan,
    SecureTestCase,
    TransportTestCase,
)


class PortTests(TransportTestCase):
    """Who comes in."""

    async def test_trouble(self) -> None:
        """Where no protocol can be made, that is logged, and the next connection is served."""
        port: Any = self.port
        sender = port.factory.protocol

        def trouble() -> Protocol:
            port.factory.protocol = sender
            raise ValueError("not this one")

        port.factory.protocol = trouble
        await deferToThread(self.connect)
        await self.device()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.sender.finish()

    async def test_turned_away(self) -> None:
        """A connection that its factory does not want is closed."""
        port: Any = self.port
        self.patch(port.factory, "buildProtocol", lambda address: None)
        device = await deferToThread(self.connect)
        self.assertEqual(await deferToThread(device.recv, 1), b"")

    async def test_one_address(self) -> None:
        """The factory and the protocol are told the same address, the device's own."""
        port: Any = self.port
        told: list[object] = []
        build = port.factory.buildProtocol

        def take_note(address: object) -> object:
            told.append(address)
            return build(address)

        self.patch(port.factory, "buildProtocol", take_note)
        device = await self.device()
        peer = self.sender.transport.getPeer()
        self.assertEqual((peer.type, peer.host, peer.port), ("TCP", *device.getsockname()))
        self.assertIs(peer, told[0])
        self.sender.finish()

    def test_burst(self) -> None:
        """As many are taken in a row as came in the last one; more, when there were as many."""
        port: Any = self.port
        self.patch(port.factory, "buildProtocol", lambda address: None)
        for come, limit, next_limit in ((3, 2, 22), (1, 22, 2), (0, 2, 1)):
            for _ in range(come):
                self.connect()
            port.numberAccepts = limit
            port.doRead()
            self.assertEqual(port.numberAccepts, next_limit)


class SpanTests(TransportTestCase):
    """A part of a file among bytes."""

    async def test_order(self) -> None:
        """What was written before it comes before, and what was written after it comes after."""
        device = await self.device()
        self.sender.transport.write(b"before")
        self.sender.transport.write_span(FileSpan(self.fd))
        self.sender.transport.write(b"after")
        self.sender.transport.writeSequence([b"wa", b"rds"])
        self.sender.finish()
        received = await deferToThread(self.receive, device)
        self.assertEqual(received, b"before" + DATA + b"afterwards")

    async def test_part(self) -> None:
        """No byte before the part is sent, and none behind it."""
        device = await self.device()
        self.sender.transport.write_span(FileSpan(self.fd, 10, PIECE + 20))
        self.sender.finish()
        self.assertEqual(await deferToThread(self.receive, device), DATA[10 : PIECE + 20])

    async def test_producer(self) -> None:
        """Who sends is held back at once, and asked for more when the part is sent."""
        device = await self.device()
        span = FileSpan(self.fd)
        self.sender.resumed = self.sender.finish
        self.sender.events.clear()
        self.sender.transport.write_span(span)
        self.assertEqual(self.sender.events[-1], "pause")
        await deferToThread(self.receive, device)
        self.assertEqual(self.sender.events[-1], "resume")
        self.assertEqual(span.position, len(DATA))

    async def test_growing(self) -> None:
        """Who has nothing more for now is asked, and may have more at another time."""
        device = await self.device()
        span = FileSpan(self.fd, 0, 1000)

        def go_on() -> None:
            if span.position == len(DATA):
                self.sender.finish()
            else:
                span.here = min(len(DATA), span.here + TURN + 1)
                self.sender.transport.write_span(span)

        self.sender.resumed = go_on
        self.sender.transport.write_span(span)
        self.assertEqual(await deferToThread(self.receive, device), DATA)

    async def test_slow_device(self) -> None:
        """A device that takes nothing for a while misses nothing."""
        device = await self.device()
        self.sender.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.sender.transport.write_span(FileSpan(self.fd))
        self.sender.finish()
        received = await deferToThread(device.recv, 1)
        for _ in range(20):
            received += await deferToThread(device.recv, 1 << 14)
        received += await deferToThread(self.receive, device)
        self.assertEqual(received, DATA)

    async def test_handed_over(self) -> None:
        """Where a file can't be read any more, its bytes from elsewhere go on without a seam."""
        device = await self.device()
        self.sender.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        span = FileSpan(self.fd)
        self.sender.transport.write_span(span)
        received = await deferToThread(device.recv, 1)
        # From now on nothing of it is in memory.
        span.here = 0

        def from_elsewhere() -> None:
            self.sender.resumed = lambda: None
            self.sender.transport.write(DATA[span.position :])
            self.sender.finish()

        self.sender.resumed = from_elsewhere
        received += await deferToThread(self.receive, device)
        self.assertEqual(received, DATA)

    async def test_handed_over_in_drops(self) -> None:
        """They may come in smaller pieces than those that the file gave."""
        device = await self.device()
        self.sender.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        span = FileSpan(self.fd, 0, 4 * PIECE)
        self.sender.transport.write_span(span)
        received = await deferToThread(device.recv, 1)
        span.here = 0

        def from_elsewhere() -> None:
            self.sender.resumed = lambda: None
            rest = DATA[span.position : 4 * PIECE]
            for offset in range(0, len(rest), 999):
                reactor.callLater(0, self.sender.transport.write, rest[offset : offset + 999])
            reactor.callLater(0, self.sender.finish)

        self.sender.resumed = from_elsewhere
        received += await deferToThread(self.receive, device)
        self.assertEqual(received, DATA[: 4 * PIECE])

    async def test_memory_lost(self) -> None:
        """Bytes that memory had a moment ago, and of which it has some now, are waited for."""
        device = await self.device()
        self.sender.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        span = FileSpan(self.fd)
        self.sender.transport.write_span(span)
        received = await deferToThread(device.recv, 1)
        span.here = span.position + 100

        def warmed() -> None:
            self.sender.resumed = self.sender.finish
            span.here = len(DATA)
            self.sender.transport.write_span(span)

        self.sender.resumed = warmed
        received += await deferToThread(self.receive, device)
        self.assertEqual(received, DATA)

    async def test_short_file(self) -> None:
        """A file that ends too early is told to who sends, and the connection stands."""
        device = await self.device()
        os.truncate(self.fd, 100)
        span = FileSpan(self.fd)
        span.failed = lambda error: self.sender.finish()  # type: ignore[method-assign]
        self.sender.resumed = self.sender.finish
        self.sender.transport.write_span(span)
        self.assertEqual(await deferToThread(self.receive, device), DATA[:100])

    async def test_cut(self) -> None:
        """Cut in the middle it looks cut to the device, and the part is let go."""
        device = await self.device()
        span = FileSpan(self.fd)
        self.sender.transport.write_span(span)
        await deferToThread(device.recv, 1)
        self.sender.transport.abortConnection()
        await self.sender.lost
        self.assertEqual(self.sender.events[-1], "stop")
        with self.assertRaises((OSError, SSL.Error)):
            await deferToThread(self.receive, device)

    async def test_device_gone(self) -> None:
        """A device that goes away in the middle ends the connection."""
        device = await self.device()
        self.sender.transport.write_span(FileSpan(self.fd))
        await deferToThread(device.recv, 1)
        device.close()
        self.assertIsInstance(await self.sender.lost, (ConnectionLost, ConnectionDone))
        self.assertEqual(self.sender.events[-1], "stop")

    async def test_too_late(self) -> None:
        """A part for a connection that is gone is ignored, as bytes are."""
        device = await self.device()
        transport = self.sender.transport
        device.close()
        await self.sender.lost
        self.sender.events.clear()
        span = FileSpan(self.fd)
        transport.write_span(span)
        transport.write(b"more")
        self.assertEqual((self.sender.events, span.position, span.errors), ([], 0, []))


class PlainTests(TransportTestCase):
    """What only a plain connection does."""

    async def test_disk_fails(self) -> None:
        """An error of the file is told to who sends, and is not the connection's."""
        device = await self.device()

        def sendfile(*_: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(os, "sendfile", sendfile)
        span = FileSpan(self.fd)
        self.sender.resumed = self.sender.finish
        self.sender.transport.write_span(span)
        self.assertEqual(await deferToThread(self.receive, device), b"")
        self.assertEqual([error.errno for error in span.errors], [errno.EIO])


class SecureSpanTests(SecureTestCase, SpanTests):
    """A part of a file among bytes, encrypted."""

    async def test_disk_fails(self) -> None:
        """An error of the file is told to who sends, and is not the connection's."""
        device = await self.device()
        span = FileSpan(self.fd)
        span.failing = OSError(errno.EIO, "Input/output error")
        self.sender.resumed = self.sender.finish
        self.sender.transport.write_span(span)
        self.assertEqual(await deferToThread(self.receive, device), b"")
        self.assertEqual([error.errno for error in span.errors], [errno.EIO])
