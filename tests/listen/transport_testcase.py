"""What tests of our ports have in common: a file, a sender, and a device that connects."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import (
    IHandshakeListener,
    IProtocolNegotiationFactory,
    IPushProducer,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from menderproxy.listen.identity import ServerIdentity
from menderproxy.listen.tls import ServerTLS, server_options
from menderproxy.listen.transport import Ports, SecurePorts
from menderproxy.transport.spans import TURN
from tests.cache.fakes import content
from tests.certificates import Identity, root

DATA = content(3 * TURN + 17)
PATIENCE = 30.0


class FileSpan:
    """
    A part of a file.

    :ivar here: up to which offset its bytes can be sent.
    :ivar errors: what it was told of.
    """

    def __init__(self, fd: int, first: int = 0, end: int = len(DATA)):
        self.fd = fd
        self.position = first
        self.here = end
        self.errors: list[OSError] = []
        self.failing: OSError | None = None

    def ready(self, most: int) -> int:
        """Tell how much there is."""
        return max(0, min(most, self.here - self.position))

    def read_into(self, buffer: memoryview) -> int:
        """Read it."""
        if self.failing is not None:
            raise self.failing
        return os.preadv(self.fd, [buffer[: self.ready(len(buffer))]], self.position)

    def sent(self, count: int) -> None:
        """Go on."""
        self.position += count

    def failed(self, error: OSError) -> None:
        """Take note."""
        self.errors.append(error)


@implementer(IHandshakeListener, IPushProducer)
class Sender(Protocol):
    """
    The sending end, which a test tells what to do.

    :ivar events: what it was told by its transport.
    """

    transport: Any

    def __init__(self) -> None:
        self.events: list[str] = []
        self.received = b""
        self.connected_to: Deferred[None] = Deferred()
        self.lost: Deferred[BaseException] = Deferred()
        self.resumed: Callable[[], object] = lambda: None

    def connectionMade(self) -> None:
        """Begin."""
        self.transport.registerProducer(self, True)
        self.connected_to.callback(None)

    def handshakeCompleted(self) -> None:
        """Take note."""
        self.events.append("handshake")

    def dataReceived(self, data: bytes) -> None:
        """Take note."""
        self.received += data

    def pauseProducing(self) -> None:
        """Take note."""
        self.events.append("pause")

    def resumeProducing(self) -> None:
        """Do what comes next."""
        self.events.append("resume")
        self.resumed()

    def stopProducing(self) -> None:
        """Take note."""
        self.events.append("stop")

    def finish(self) -> None:
        """Close in order."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take note."""
        assert reason.value is not None
        self.lost.callback(reason.value)


@implementer(IProtocolNegotiationFactory)
class OneProtocol(Factory):
    """Says which protocol it speaks behind TLS."""

    def acceptableProtocols(self) -> list[bytes]:
        """Say it."""
        return [b"http/1.1"]


class TransportTestCase(TestCase):
    """Has a file, a port, and a sender for the next connection."""

    timeout = PATIENCE
    secure = False

    def setUp(self) -> None:
        """Open them."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(DATA)
        self.fd = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, self.fd)
        self.sender = Sender()
        self.port = self.ports().listen(
            reactor,
            OneProtocol.forProtocol(lambda: self.sender),
            interface="127.0.0.1",
            port=0,
            backlog=5,
        )
        self.addCleanup(maybeDeferred, self.port.stopListening)

    def ports(self) -> Ports:
        """Open plain ports."""
        return Ports()

    def connect(self) -> Any:
        """Connect from a thread, as a device would."""
        host: Any = self.port.getHost()
        sock = socket.create_connection((host.host, host.port), PATIENCE)
        self.addCleanup(sock.close)
        return sock

    def receive(self, sock: Any) -> bytes:
        """Receive to the end."""
        pieces = []
        while piece := sock.recv(1 << 16):
            pieces.append(piece)
        return b"".join(pieces)

    async def device(self) -> Any:
        """Have a device that is connected."""
        device = await deferToThread(self.connect)
        await self.sender.connected_to
        return device


class TLSDevice:
    """A device that speaks TLS; OpenSSL's ways to say "end" are no exceptions to it."""

    def __init__(self, sock: socket.socket, protocols: list[bytes]):
        self.sock = sock
        sock.settimeout(None)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if protocols:
            context.set_alpn_protos(protocols)
        self.tls = SSL.Connection(context, sock)
        self.tls.set_connect_state()
        self.tls.do_handshake()

    def recv(self, most: int) -> bytes:
        """Receive bytes, or none at the other end's goodbye, which is answered."""
        try:
            return self.tls.recv(most)
        except SSL.ZeroReturnError:
            self.tls.shutdown()
            return b""

    def close(self) -> None:
        """Go away without a word."""
        self.sock.close()


class SecureTestCase(TransportTestCase):
    """Has a port for TLS."""

    protocols: tuple[bytes, ...] = ()

    def ports(self) -> Ports:
        """Open ports for TLS."""
        own: Identity = root().issue("gateway")
        return SecurePorts(ServerTLS(server_options(ServerIdentity((own.certificate,), own.key))))  # type: ignore[arg-type]

    def connect(self) -> Any:
        """Connect and shake hands."""
        return TLSDevice(super().connect(), list(self.protocols))
