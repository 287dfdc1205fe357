"""Ports whose connections send artifacts from where they lie, in plain and by TLS."""

from __future__ import annotations

import socket
from typing import Any, Protocol, cast

from OpenSSL import SSL
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocol,
    IProtocolFactory,
    ISSLTransport,
)
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.tcp import Port, Server
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python import log
from zope.interface import implementer

from menderproxy.transport.secure import PIECE, Secure
from menderproxy.transport.spans import SpanSending
from menderproxy.wire.span import Span

PIECES_PER_TURN = 4


class ServerSide(Protocol):
    """Makes the server's side of TLS."""

    def on_socket(self, transport: SecureServer, sock: socket.socket) -> SSL.Connection:
        """Make it on the socket of a connection that came in."""

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make it for Twisted's own TLS."""


class PlainServer(SpanSending, Server):
    """
    A connection that came in: spans by sendfile(2), past this process's memory.

    :ivar peer: the device's address, as the port told it to its factory.
    """

    peer: IPv4Address | IPv6Address | None = None

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Give the device's address."""
        return self.peer or super().getPeer()


@implementer(ISSLTransport)
class SecureServer(Secure, PlainServer):
    """A connection that came in, and speaks TLS."""

    server: SecurePort

    def __init__(
        self,
        sock: socket.socket,
        protocol: IProtocol,
        client: tuple[object, ...],
        server: SecurePort,
        sessionno: int,
        reactor: Any,
    ):
        super().__init__(sock, protocol, client, server, sessionno, reactor)
        self.begin_tls(server.tls.on_socket(self, sock), speaks_first=False)

    def send_some(self, span: Span) -> Exception | None:
        """Encrypt what the socket takes of a span."""
        buffer = self.server.buffer
        for _ in range(PIECES_PER_TURN):
            try:
                size = span.read_into(buffer)
            except OSError as error:
                self.span_failed(span, error)
                return None
            if size == 0 or size < self._unfinished:
                self.let_go()
                return None
            count = self.send_piece(buffer[:size])
            if isinstance(count, Exception):
                return count
            if not count:
                return None
            span.sent(count)
            self.unsent.sent(count)
            if count < PIECE:
                self.let_go()
                return None
        return None


class PlainPort(Port):
    """Listens, and sends files by sendfile(2)."""

    factory: Any
    transport: type[PlainServer] = PlainServer

    def doRead(self) -> None:
        """
        Called by the reactor when connections wait.

        Twisted gets ready for trouble before each of them. Here it is called when there is some,
        which it then meets again.
        """
        for accepted in range(self.numberAccepts):
            if self.disconnecting:
                # A factory may have closed the port.
                return
            try:
                # What accept() itself does besides is to give numbers their names.
                fd, client = self.socket._accept()  # type: ignore[union-attr]
            except BlockingIOError:
                self.numberAccepts = max(1, accepted)
                return
            except OSError:
                super().doRead()
                return
            try:
                self._connect(socket.socket(self.addressFamily, self.socketType, 0, fd), client)
            except Exception:
                log.err()
                return
        self.numberAccepts += 20

    def _connect(self, sock: socket.socket, client: tuple[Any, ...]) -> None:
        if len(client) == 4 and client[3]:
            # To a link-local address belongs the name of its link.
            numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
            client = (socket.getnameinfo(client, numeric)[0], *client[1:])
        peer = self._buildAddr(client)
        protocol = self.factory.buildProtocol(peer)
        if protocol is None:
            sock.close()
            return
        number, self.sessionno = self.sessionno, self.sessionno + 1
        transport = self.transport(sock, protocol, client, self, number, self.reactor)
        transport.peer = peer
        protocol.makeConnection(transport)


class SecurePort(PlainPort):
    """
    Listens, and speaks TLS.

    :ivar tls: for each connection; to be set before it listens.
    :ivar buffer: for a piece on its way from a file to OpenSSL. One is enough for all
        connections: they are written to one after the other, by one reactor.
    """

    transport = SecureServer
    tls: ServerSide

    def __init__(
        self,
        port: int,
        factory: IProtocolFactory,
        backlog: int = 50,
        interface: str = "",
        reactor: Any = None,
    ):
        super().__init__(port, factory, backlog, interface, reactor)
        self.buffer = memoryview(bytearray(PIECE))


class Ports:
    """
    Opens ports for plain HTTP.

    Reactors that wait for something else than sockets (those in memory, for tests, or for
    Windows) get ports of their own kind.
    """

    def listen(
        self, reactor: Any, factory: IProtocolFactory, *, interface: str, port: int, backlog: int
    ) -> IListeningPort:
        """
        Open a port.

        :param interface: an address, not a name.
        :raises CannotListenError: it can't be opened.
        """
        if isinstance(reactor, PosixReactorBase):
            return self.started(self.kind(port, factory, backlog, interface, reactor))
        foreign: IListeningPort = reactor.listenTCP(
            port, self.behind_twisted(factory, reactor), backlog=backlog, interface=interface
        )
        return foreign

    def adopt(
        self, reactor: Any, factory: IProtocolFactory, listening: socket.socket
    ) -> IListeningPort:
        """Accept on a duplicate of a socket that listens already."""
        if not isinstance(reactor, PosixReactorBase):
            foreign: IListeningPort = reactor.adoptStreamPort(
                listening.fileno(), listening.family, self.behind_twisted(factory, reactor)
            )
            return foreign
        # What the reactor's adoptStreamPort() does, for a port of another kind.
        make = self.kind._fromListeningDescriptor
        return self.started(make(reactor, listening.fileno(), listening.family, factory))

    kind: type[PlainPort] = PlainPort

    def started(self, port: Port) -> IListeningPort:
        """Let a port listen."""
        port.startListening()
        return port

    def behind_twisted(self, factory: IProtocolFactory, reactor: Any) -> IProtocolFactory:
        """What serves the connections of another kind of port."""
        return factory


class SecurePorts(Ports):
    """
    Opens ports for HTTPS.

    :param tls: for each connection.
    """

    kind = SecurePort

    def __init__(self, tls: ServerSide):
        self._tls = tls

    def started(self, port: Port) -> IListeningPort:
        """Let a port listen."""
        assert isinstance(port, SecurePort)
        port.tls = self._tls
        return super().started(port)

    def behind_twisted(self, factory: IProtocolFactory, reactor: Any) -> IProtocolFactory:
        """Put Twisted's TLS between."""
        creator = cast(IOpenSSLServerConnectionCreator, self._tls)
        return TLSMemoryBIOFactory(creator, False, factory, reactor)
