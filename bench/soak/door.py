"""A listening port that can be shut, or stay open with nobody behind it who answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from menderproxy.demo.network import LOOPBACK

_ACCEPTED = 4096


class _Doorway(ProtocolWrapper):
    """One connection; while the door hangs nothing gets through, in neither direction."""

    def __init__(self, factory: Door, wrapped: IProtocol):
        super().__init__(factory, wrapped)  # type: ignore[arg-type]
        self._door = factory
        self._arrived: list[bytes] = []
        self._answered: list[bytes] = []
        self._gone = False

    def dataReceived(self, data: bytes) -> None:
        if self._door.hangs:
            self._arrived.append(data)
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def write(self, data: bytes) -> None:
        if self._door.hangs:
            self._answered.append(data)
        else:
            super().write(data)  # type: ignore[no-untyped-call]

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def go_on(self) -> None:
        answered, self._answered = self._answered, []
        arrived, self._arrived = self._arrived, []
        if answered and not self._gone:
            super().write(b"".join(answered))  # type: ignore[no-untyped-call]
        if arrived:
            super().dataReceived(b"".join(arrived))  # type: ignore[no-untyped-call]


class Door(WrappingFactory):
    """
    A server's port on loopback, the same one each time it is opened.

    What is behind it lives on while it is shut, like the database of a server that was killed.

    :param tls: the server's certificate; without it the port is plain.
    :param port: any free one unless given.
    """

    noisy = False
    protocol = _Doorway

    def __init__(
        self,
        reactor: Any,
        server: IProtocolFactory,
        tls: CertificateOptions | None = None,
        port: int = 0,
    ):
        if tls is not None:
            server = TLSMemoryBIOFactory(tls, False, server, reactor)
        super().__init__(server)  # type: ignore[no-untyped-call]
        self.port = port
        self.hangs = False
        self._reactor = reactor
        self._listening: Any = None

    def open(self) -> None:
        """Let clients in."""
        if self._listening is None:
            self._listening = self._reactor.listenTCP(
                self.port, self, backlog=_ACCEPTED, interface=LOOPBACK
            )
            self.port = self._listening.getHost().port

    async def shut(self) -> None:
        """Refuse clients, and cut those that are here."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await maybeDeferred(listening.stopListening)
        self.cut()

    def cut(self) -> None:
        """Cut all connections."""
        for connection in list(self.protocols):
            connection.abortConnection()

    def hang(self) -> None:
        """Take connections and requests, and do nothing about them."""
        self.hangs = True

    def go_on(self) -> None:
        """Do now what was left lying."""
        self.hangs = False
        for connection in list(self.protocols):
            connection.go_on()
