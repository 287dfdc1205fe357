"""Ports whose connections send artifacts from where they lie, in plain and by TLS."""

from __future__ import annotations

import socket
import sys
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

from menderproxy.listen.verification import Verification
from menderproxy.transport.secure import PIECE, Secure
from menderproxy.transport.spans import SpanSending
from menderproxy.transport.unsent import Unsent, hold
from menderproxy.wire.span import Span

PIECES_PER_TURN = 4

_ANY = ("0.0.0.0", "::")


class ServerSide(Protocol):
    """Makes the server's side of TLS."""

    def on_socket(self, transport: SecureServer, sock: socket.socket) -> SSL.Connection:
        """Make it on the socket of a connection that came in."""

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make it for Twisted's own TLS."""


class PlainServer(SpanSending, Server):
    """
    A connection that came in: spans by sendfile(2), past this process's memory.

    What it has in common with all that come in by its port is not asked for, or set, anew.

    :ivar peer: the device's address, as the port told it to its factory.
    """

    peer: IPv4Address | IPv6Address | None = None
    server: PlainPort

    # Twisted would call shutdown() before close(), in case that somebody else had the descriptor.
    # Nobody has, and most peers are gone by then, so that it fails.
    _shouldShutdown = False

    def __init__(
        self,
        sock: socket.socket,
        protocol: IProtocol,
        client: tuple[object, ...],
        server: PlainPort,
        sessionno: int,
        reactor: Any,
    ):
        super().__init__(sock, protocol, client, server, sessionno, reactor)
        inherited = server.passes_options
        self.unsent = Unsent(sock, reactor, server.unsent, inherited=inherited)
        # Who made a socket that was passed to us may have set them, or not.
        self._is_prompt = self._is_kept_alive = True if inherited else None
        self.begin()

    def begin(self) -> None:
        """Do what comes before the first byte."""

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Give the device's address."""
        return self.peer or super().getPeer()

    def getHost(self) -> IPv4Address | IPv6Address:
        """Give our own address."""
        return self.server.only_address or super().getHost()

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Send small pieces at once, or not."""
        if enabled != self._is_prompt:
            super().setTcpNoDelay(enabled)
            self._is_prompt = enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Look now and then whether a silent peer is still there, or not."""
        if enabled != self._is_kept_alive:
            super().setTcpKeepAlive(enabled)
            self._is_kept_alive = enabled


@implementer(ISSLTransport)
class SecureServer(Secure, PlainServer):
    """
    A connection that came in, and speaks TLS.

    :ivar verification: what was found out about the device's certificate, if it needs one.
    """

    server: SecurePort
    verification: Verification | None = None

    def begin(self) -> None:
        """Speak TLS from the first byte on."""
        self.begin_tls(self.server.tls.on_socket(self, self.socket), speaks_first=False)

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
    """
    Listens, and sends files by sendfile(2).

    :ivar unsent: bytes that the kernel may hold for each slow peer (see
        :class:`menderproxy.transport.unsent.Unsent`); to be set before it listens.
    :ivar passes_options: whether the sockets it accepts come with the options that all of them
        get. Of a socket that listened before it got here nobody knows who has connected already.
    :ivar only_address: our own address on each connection; ``None`` if there may be several.
    """

    factory: Any
    transport: type[PlainServer] = PlainServer
    unsent = 0
    passes_options = False
    only_address: IPv4Address | IPv6Address | None = None

    def createInternetSocket(self) -> socket.socket:
        """Make the socket that is to listen (called by Twisted)."""
        sock: socket.socket = super().createInternetSocket()
        # Linux gives the options of a socket to those it accepts.
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self.unsent:
                hold(sock, self.unsent)
            self.passes_options = True
        return sock

    def startListening(self) -> None:
        """Listen."""
        is_own = self._preexistingSocket is None
        super().startListening()
        address = self.getHost()
        # One that others made may take what is sent to any address.
        if is_own and address.host not in _ANY:
            self.only_address = address

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

    :param unsent: bytes that the kernel may hold for each slow peer; 0 for as many as it likes.
    """

    def __init__(self, unsent: int = 0):
        self._unsent = unsent

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

    def started(self, port: PlainPort) -> IListeningPort:
        """Let a port listen."""
        port.unsent = self._unsent
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

    def __init__(self, tls: ServerSide, unsent: int = 0):
        super().__init__(unsent)
        self._tls = tls

    def started(self, port: PlainPort) -> IListeningPort:
        """Let a port listen."""
        assert isinstance(port, SecurePort)
        port.tls = self._tls
        return super().started(port)

    def behind_twisted(self, factory: IProtocolFactory, reactor: Any) -> IProtocolFactory:
        """Put Twisted's TLS between."""
        creator = cast(IOpenSSLServerConnectionCreator, self._tls)
        return TLSMemoryBIOFactory(creator, False, factory, reactor)
