"""Ports whose connections send artifacts from where they lie, in plain and by TLS."""

from __future__ import annotations

import socket
from typing import Any, Protocol, cast

from OpenSSL import SSL
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
    """A connection that came in: spans by sendfile(2), past this process's memory."""


@implementer(ISSLTransport)
class SecureServer(Secure, SpanSending, Server):
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

    transport = PlainServer


class SecurePort(Port):
    """
    Listens, and speaks TLS.

    :ivar tls: for each connection; to be set before it listens.
    :ivar buffer: for a piece on its way from a file to OpenSSL. One is enough for all
        connections: they are written to one after the other, by one reactor.
    """

    transport: type[Server] = SecureServer
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

    kind: type[Port] = PlainPort

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
