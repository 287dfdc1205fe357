"""TLS on the socket of a connection to an upstream, whatever that went through."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    ISSLTransport,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from menderproxy.transport.secure import Secure

ClientSide = Callable[[socket.socket], SSL.Connection]
"""Makes the client's side of TLS on a socket that is connected."""


@implementer(ISSLTransport)
class SecureClient(Secure):
    """
    Speaks TLS on the socket of a connection of Twisted's.

    That one may have come through a proxy. From now on it neither reads nor writes; it is told
    of the end, closes the socket, and tells its protocol.

    :param plain: connected, with nothing left to write.
    :param protocol: of the conversation behind TLS.
    """

    def __init__(self, plain: Connection, protocol: IProtocol, client_side: ClientSide):
        super().__init__(plain.socket, protocol, plain.reactor)
        self._plain = plain
        self.logstr = plain.logstr
        plain.stopReading()
        plain.stopWriting()
        self.connected = True
        self.begin_tls(client_side(plain.socket), speaks_first=True)

    def getHost(self) -> Any:
        """Give our address."""
        return self._plain.getHost()

    def getPeer(self) -> Any:
        """Give the upstream's address, or its proxy's."""
        return self._plain.getPeer()

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        if self.disconnected:
            return
        FileDescriptor.connectionLost(self, reason)
        # Its protocol is the one that leads to ours.
        self._plain.connectionLost(reason)


class _TakeOver(Protocol):
    """Stands between a plain connection and the protocol behind TLS."""

    def __init__(self, factory: IProtocolFactory, client_side: ClientSide):
        self._factory = factory
        self._client_side = client_side
        self.inner: IProtocol | None = None

    def connectionMade(self) -> None:
        plain = cast(Connection, self.transport)
        self.inner = self._factory.buildProtocol(plain.getPeer())
        if self.inner is None:
            plain.abortConnection()
        else:
            self.inner.makeConnection(SecureClient(plain, self.inner, self._client_side))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.inner is not None:
            self.inner.connectionLost(reason)


@implementer(IStreamClientEndpoint)
class SecureEndpoint:
    """
    Connects through another endpoint, and speaks TLS there.

    :param plain: its connections are TCP connections of a reactor that waits for sockets.
    """

    def __init__(self, plain: IStreamClientEndpoint, client_side: ClientSide):
        self._plain = plain
        self._client_side = client_side

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect; the handshake begins then, and how it ends the protocol is told."""

        def build() -> Any:
            return _TakeOver(protocolFactory, self._client_side)

        connecting = cast(
            "Deferred[_TakeOver]",
            self._plain.connect(Factory.forProtocol(build)),
        )
        return connecting.addCallback(_inner)


def _inner(taken: _TakeOver) -> IProtocol:
    assert taken.inner is not None
    return taken.inner
