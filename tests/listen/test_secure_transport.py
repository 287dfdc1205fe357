"""The beginning and the end of TLS on real connections."""

from __future__ import annotations

import errno
import socket
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorFDSet, ISSLTransport
from twisted.internet.threads import deferToThread

from tests.listen.transport_testcase import (
    SecureTestCase,
    TLSDevice,
    TransportTestCase,
)


class HandshakeTests(SecureTestCase):
    """The beginning and the end of TLS."""

    protocols = (b"h2", b"http/1.1")

    async def met(self) -> Any:
        """Have a device for which the handshake is over on both sides."""
        device = await self.device()
        self.sender.transport.write(b"x")
        self.assertEqual(await deferToThread(device.recv, 1), b"x")
        return device

    async def test_negotiated(self) -> None:
        """The protocol is told of the handshake, and can ask what came out of it."""
        device = await self.met()
        transport = self.sender.transport
        self.assertIn("handshake", self.sender.events)
        self.assertTrue(ISSLTransport.providedBy(transport))
        self.assertIsInstance(transport.getHandle(), SSL.Connection)
        self.assertEqual(transport.negotiatedProtocol, b"http/1.1")
        self.assertIsNone(transport.getPeerCertificate())
        self.assertEqual(transport.getPeer().host, "127.0.0.1")
        self.sender.finish()
        await deferToThread(self.receive, device)

    async def test_early(self) -> None:
        """What is written before the handshake is over goes out after it."""
        sock = await deferToThread(TransportTestCase.connect, self)
        await self.sender.connected_to
        self.sender.transport.write(b"early")
        self.sender.finish()
        device = await deferToThread(TLSDevice, sock, [])
        self.assertEqual(await deferToThread(self.receive, device), b"early")
        self.assertIsInstance(await self.sender.lost, ConnectionDone)

    async def test_nothing_to_write(self) -> None:
        """Neither after a handshake nor for a goodbye the socket is asked whether it has room."""
        sock = await deferToThread(TransportTestCase.connect, self)
        await self.sender.connected_to
        asked: list[bool] = []

        def look() -> None:
            writers: Any = cast(IReactorFDSet, reactor).getWriters()
            asked.append(self.sender.transport in writers)

        def handshake_completed() -> None:
            look()
            self.sender.finish()
            look()

        self.sender.handshakeCompleted = handshake_completed  # type: ignore[method-assign]
        device = await deferToThread(TLSDevice, sock, [])
        self.assertEqual(await deferToThread(self.receive, device), b"")
        self.assertIsInstance(await self.sender.lost, ConnectionDone)
        self.assertEqual(asked, [False, False])

    async def test_received(self) -> None:
        """What the device sends comes as one piece, however many records it had."""
        device = await self.device()

        def talk() -> None:
            for _ in range(4):
                device.tls.sendall(b"y" * 16384)
            device.tls.shutdown()

        await deferToThread(talk)
        self.assertIsInstance(await self.sender.lost, ConnectionDone)
        self.assertEqual(self.sender.received, b"y" * 65536)

    async def test_no_goodbye(self) -> None:
        """A connection that ends without a goodbye is lost: it may have been cut."""
        device = await self.device()
        device.sock.shutdown(socket.SHUT_WR)
        self.assertIsInstance(await self.sender.lost, ConnectionLost)

    async def test_goodbye_awaited(self) -> None:
        """After our goodbye the device's is awaited; what it says before that nobody hears."""
        device = await self.device()
        self.sender.finish()

        def answer() -> None:
            device.tls.sendall(b"unheard")
            device.tls.shutdown()

        await deferToThread(answer)
        self.assertIsInstance(await self.sender.lost, ConnectionDone)
        self.assertEqual(self.sender.received, b"")

    async def test_no_goodbye_possible(self) -> None:
        """Where no goodbye can be said, the protocol is told of the end, but not amid its call."""
        await self.met()

        def fail() -> bool:
            raise SSL.SysCallError(errno.EPIPE, "EPIPE")

        self.patch(self.sender.transport.getHandle(), "shutdown", fail)
        self.sender.finish()
        self.assertFalse(self.sender.lost.called)
        self.assertIsInstance(await self.sender.lost, ConnectionDone)

    async def test_last_words(self) -> None:
        """What a producer has still to give when it is asked goes out before the goodbye."""
        device = await self.met()
        transport = self.sender.transport
        transport.unregisterProducer()

        def give() -> None:
            if transport.disconnecting:
                transport.write(b"last")
                transport.unregisterProducer()

        self.sender.resumed = give
        transport.registerProducer(self.sender, False)
        transport.loseConnection()
        self.assertEqual(await deferToThread(self.receive, device), b"last")

    async def test_nobody_to_part_from(self) -> None:
        """Closed before the handshake, a connection is cut."""
        sock = await deferToThread(TransportTestCase.connect, self)
        await self.sender.connected_to
        self.sender.finish()
        await self.sender.lost
        with self.assertRaises(ConnectionResetError):
            await deferToThread(sock.recv, 1)

    async def test_goodbye_in_handshake(self) -> None:
        """A goodbye in the middle of the handshake ends the connection, without a traceback."""
        sock = await deferToThread(TransportTestCase.connect, self)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        client = SSL.Connection(context, None)
        client.set_connect_state()
        with self.assertRaises(SSL.WantReadError):
            client.do_handshake()
        hello = client.bio_read(65536) + bytes.fromhex("15 0303 0002 01 00")
        await deferToThread(sock.sendall, hello)
        await self.sender.lost

    async def test_noise(self) -> None:
        """What is no TLS is told as OpenSSL's error, for the record."""
        sock = await deferToThread(TransportTestCase.connect, self)
        await deferToThread(sock.sendall, b"GET / HTTP/1.1\r\n\r\n")
        self.assertIsInstance(await self.sender.lost, SSL.Error)
