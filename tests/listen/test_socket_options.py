"""What the kernel is told about a connection, and what it tells: by its port, or by itself."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Server
from twisted.trial.unittest import TestCase

from menderproxy.listen.transport import PlainServer, Ports

UNSENT = 77_000
OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
)
TCP_NOTSENT_LOWAT = 25


class SocketOptionTests(TestCase):
    """Connections that a port has just accepted."""

    def setUp(self) -> None:
        """Serve with something that does nothing."""
        self.made: list[Any] = []
        self.factory = Factory.forProtocol(self.protocol)

    def protocol(self) -> Protocol:
        """Take note of a protocol."""
        self.made.append(Protocol())
        protocol: Protocol = self.made[-1]
        return protocol

    def listen(self, interface: str = "127.0.0.1") -> IListeningPort:
        """Open a port of our own."""
        ports = Ports(UNSENT)
        return ports.listen(reactor, self.factory, interface=interface, port=0, backlog=5)

    def listening(self) -> socket.socket:
        """Have a socket that somebody else has made."""
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        self.addCleanup(sock.close)
        return sock

    def connect(self, port: int, host: str = "127.0.0.1") -> socket.socket:
        """Be a device."""
        sock = socket.create_connection((host, port))
        self.addCleanup(sock.close)
        return sock

    def accept(self, port: Any) -> PlainServer:
        """Accept what has connected."""
        self.addCleanup(maybeDeferred, port.stopListening)
        port.doRead()
        transport: PlainServer = self.made[-1].transport
        self.addCleanup(transport.abortConnection)
        return transport

    def options(self, transport: PlainServer) -> list[bool]:
        """Ask the kernel for the options."""
        return [bool(transport.socket.getsockopt(*option)) for option in OPTIONS]

    def unsent(self, transport: PlainServer) -> int:
        """Ask the kernel what it may hold."""
        return int(transport.socket.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT))

    def test_inherited(self) -> None:
        """A port of ours hands down what all connections get, so that each is told nothing."""
        port: Any = self.listen()
        self.connect(port.getHost().port)
        transport = self.accept(port)
        self.assertEqual((self.options(transport), self.unsent(transport)), ([True, True], UNSENT))
        told: list[bool] = []
        self.patch(Server, "setTcpNoDelay", lambda connection, enabled: told.append(enabled))
        self.patch(Server, "setTcpKeepAlive", lambda connection, enabled: told.append(enabled))
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        self.assertEqual(told, [])

    def test_passed(self) -> None:
        """Who connected before a socket was passed to us is told by itself."""
        listening = self.listening()
        self.connect(listening.getsockname()[1])
        transport = self.accept(Ports(UNSENT).adopt(reactor, self.factory, listening))
        self.assertEqual((self.options(transport), self.unsent(transport)), ([False] * 2, UNSENT))
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        self.assertEqual(self.options(transport), [True, True])

    def test_passed_with_options(self) -> None:
        """What a socket had before it was passed to us can be taken back."""
        listening = self.listening()
        for option in OPTIONS:
            listening.setsockopt(*option, 1)
        self.connect(listening.getsockname()[1])
        transport = self.accept(Ports().adopt(reactor, self.factory, listening))
        transport.setTcpNoDelay(False)
        transport.setTcpKeepAlive(False)
        self.assertEqual(self.options(transport), [False, False])

    def test_changed(self) -> None:
        """An option can be taken back, and set again."""
        port: Any = self.listen()
        self.connect(port.getHost().port)
        transport = self.accept(port)
        for enabled in (False, True):
            transport.setTcpNoDelay(enabled)
            transport.setTcpKeepAlive(enabled)
            self.assertEqual(self.options(transport), [enabled, enabled])

    def test_own_address(self) -> None:
        """Our own address is the one that the device connected to, whatever the port listens at."""
        for interface in ("127.0.0.1", "0.0.0.0", ""):
            port: Any = self.listen(interface)
            for host in ("127.0.0.1",) if interface == "127.0.0.1" else ("127.0.0.1", "127.0.0.2"):
                device = self.connect(port.getHost().port, host)
                own = self.accept(port).getHost()
                self.assertEqual((own.type, own.host, own.port), ("TCP", *device.getpeername()))

    def test_own_address_passed(self) -> None:
        """The same goes for a socket that was passed to us."""
        listening = self.listening()
        device = self.connect(listening.getsockname()[1])
        own = self.accept(Ports().adopt(reactor, self.factory, listening)).getHost()
        self.assertEqual((own.host, own.port), device.getpeername())
