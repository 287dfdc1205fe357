"""A network in memory: names, connections, and peers whose part the test plays."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import (
    CannotListenError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IResolutionReceiver,
    ITCPTransport,
)
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from menderproxy.upstream.tls import is_ip_address


@implementer(ITCPTransport)
class Line(StringTransport):
    """
    Our end of one connection; like a real one it delivers nothing while it is paused.

    The peer is an upstream that we called, or a device that called us.

    :ivar aborted: whether we cut it.
    :ivar peer: host and port of the other end.
    """

    def __init__(self, protocol: IProtocol, clock: IReactorTime, peer: tuple[str, int]):
        super().__init__(lenient=True)  # type: ignore[no-untyped-call]
        self.aborted = False
        self.peer = peer
        self._clock = clock
        self._protocol = protocol
        self._incoming: list[bytes | None] = []

    def received(self) -> bytes:
        """Give what the peer got since it was asked last."""
        data: bytes = self.value()
        self.clear()
        return data

    def send(self, *parts: bytes) -> None:
        """Let the peer send something, one segment for each part."""
        self._incoming += parts
        self._deliver()

    def hang_up(self) -> None:
        """Let the peer close."""
        self._incoming.append(None)
        self._deliver()

    def loseConnection(self) -> None:
        """Close the connection; all that was written gets there first."""
        if not self.disconnecting:
            super().loseConnection()  # type: ignore[no-untyped-call]
            self._clock.callLater(0, self._lose, ConnectionDone())

    def abortConnection(self) -> None:
        """Cut the connection; its protocol learns of it a moment later."""
        if not self.aborted:
            self.aborted = True
            self._incoming.clear()
            self._clock.callLater(0, self._lose, ConnectionAborted())

    def resumeProducing(self) -> None:
        """Go on reading, in the reactor's next turn."""
        super().resumeProducing()  # type: ignore[no-untyped-call]
        if self._incoming:
            self._clock.callLater(0, self._deliver)

    def _deliver(self) -> None:
        while self._incoming and self.producerState == "producing" and not self.aborted:
            data = self._incoming.pop(0)
            if data is None:
                self._lose(ConnectionDone())
            else:
                self._protocol.dataReceived(data)

    def _lose(self, error: Exception) -> None:
        if self.connected:
            self.connected = False
            self._protocol.connectionLost(Failure(error))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing is delayed here."""

    def getTcpNoDelay(self) -> bool:
        """Nothing is delayed here."""
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Nothing dies here unnoticed."""

    def getTcpKeepAlive(self) -> bool:
        """Nothing dies here unnoticed."""
        return False

    def loseWriteConnection(self) -> None:
        """Nobody closes by halves here."""


@implementer(IHostnameResolver)
class Names:
    """
    Resolves at once.

    :param known: addresses of names; ``None`` for a look-up that never ends. All other names
        have one and the same address.
    """

    def __init__(self, known: Mapping[str, tuple[str, ...] | None]):
        self._known = known

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        *args: Any,
        **kwargs: Any,
    ) -> IHostResolution:
        """Resolve one name."""
        usual = (hostName,) if is_ip_address(hostName) else ("192.0.2.1",)
        addresses = self._known.get(hostName, usual)
        if addresses is not None:
            for address in addresses:
                kind = IPv6Address if ":" in address else IPv4Address
                resolutionReceiver.addressResolved(kind("TCP", address, portNumber))
            resolutionReceiver.resolutionComplete()
        return cast(IHostResolution, None)


@implementer(IListeningPort)
class _OpenPort:
    def __init__(self, open_ports: dict[int, IProtocolFactory], port: int):
        self._open_ports = open_ports
        self._port = port

    def startListening(self) -> None:
        """It does so from the start."""

    def stopListening(self) -> None:
        """Give the port back."""
        self._open_ports.pop(self._port).doStop()

    def getHost(self) -> IPv6Address:
        """Where it listens."""
        return IPv6Address("TCP", "::", self._port)


class Network(MemoryReactorClock):
    """
    A reactor without sockets.

    :param names: see :class:`Names`.
    :ivar busy: ports that can't be listened on.
    :ivar open: the factories of the ports that are listened on.
    """

    def __init__(self, **names: tuple[str, ...] | None):
        super().__init__()  # type: ignore[no-untyped-call]
        self.nameResolver = Names(names)
        self.busy: set[int] = set()
        self.open: dict[int, IProtocolFactory] = {}
        self._from_threads: deque[Callable[[], object]] = deque()

    def callFromThread(self, callable: Any, *args: Any, **kwargs: Any) -> None:
        """Take a call from another thread; it waits until time passes in this one."""
        self._from_threads.append(lambda: callable(*args, **kwargs))

    def advance(self, amount: float) -> None:
        """Let time pass, and calls from other threads come in."""
        super().advance(amount)
        while self._from_threads:
            self._from_threads.popleft()()

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Listen on a port."""
        if port in self.busy or port in self.open:
            error = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            raise CannotListenError(interface, port, error)
        factory.doStart()
        self.open[port] = factory
        return _OpenPort(self.open, port)

    def call(self, port: int) -> Line:
        """Let a device connect to a port."""
        peer = IPv4Address("TCP", "198.51.100.1", 50000)
        protocol = self.open[port].buildProtocol(peer)
        assert protocol is not None
        line = Line(protocol, self, (peer.host, peer.port))
        protocol.makeConnection(line)
        return line

    @property
    def dialled(self) -> list[tuple[str, int]]:
        """Host and port of each connection attempt that was neither accepted nor refused."""
        return [(str(client[0]), int(client[1])) for client in self.tcpClients]

    def accept(self) -> Line:
        """Let the oldest connection attempt succeed."""
        host, port, factory, *_ = self.tcpClients.pop(0)
        protocol = factory.buildProtocol(IPv4Address("TCP", host, port))
        assert protocol is not None
        line = Line(protocol, self, (host, port))
        protocol.makeConnection(line)
        return line

    def refuse(self) -> None:
        """Let the oldest connection attempt fail."""
        factory = self.tcpClients.pop(0)[2]
        factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))  # type: ignore[arg-type]
