"""TLS between two ends in memory, for real but without sockets."""

from __future__ import annotations

import attrs
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import (
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.test import iosim
from zope.interface import implementer

GREETING = b"how do you do"


@implementer(IHandshakeListener)
class End(Protocol):
    """
    One end of a connection, which says hello to the other one.

    :ivar data: what it got.
    :ivar error: why the connection was lost, ``None`` while it stands.
    :ivar tls: the connection, once the handshake is over.
    """

    def __init__(self) -> None:
        self.data = b""
        self.error: BaseException | None = None
        self.tls: SSL.Connection | None = None

    def handshakeCompleted(self) -> None:
        """Say hello."""
        assert isinstance(self.transport, TLSMemoryBIOProtocol)
        self.tls = self.transport.getHandle()
        self.transport.write(GREETING)

    def dataReceived(self, data: bytes) -> None:
        """Listen."""
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note why."""
        self.error = reason.value


@attrs.frozen
class Handshake:
    """Both ends of a connection after the handshake, be it a success or not."""

    client: End
    server: End

    @property
    def succeeded(self) -> bool:
        """Whether each end was ready to talk to the other, and did."""
        return self.client.data == self.server.data == GREETING

    @property
    def established(self) -> SSL.Connection:
        """The client's connection."""
        assert self.succeeded, (self.client.error, self.server.error)
        assert self.client.tls is not None
        return self.client.tls


def shake_hands(
    client: IOpenSSLClientConnectionCreator, server: IOpenSSLServerConnectionCreator
) -> Handshake:
    """Connect two ends, and let them talk until nothing happens any more."""
    clock = Clock()
    ends = Handshake(End(), End())
    factory = TLSMemoryBIOFactory(server, False, Factory.forProtocol(lambda: ends.server), clock)
    talk(client, ends.client, factory, clock)
    return ends


def talk(
    creator: IOpenSSLClientConnectionCreator,
    client: Protocol,
    server: IProtocolFactory,
    clock: Clock,
) -> None:
    """Connect a client by TLS to what a factory makes, until nothing happens any more."""
    wrapped = Factory.forProtocol(lambda: client)
    client_side = TLSMemoryBIOFactory(creator, True, wrapped, clock).buildProtocol(None)
    server_side = server.buildProtocol(IPv4Address("TCP", "198.51.100.1", 50000))
    assert server_side is not None
    pump = iosim.connect(
        server_side,
        iosim.makeFakeServer(server_side),
        client_side,
        iosim.makeFakeClient(client_side),
        clock=clock,
    )
    pump.flush()
