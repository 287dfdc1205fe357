"""Raw connections on loopback, at either end of which the test stands."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

LOOPBACK = "127.0.0.1"


class Line(Protocol):
    """
    One connection.

    :ivar received: all bytes that came.
    :ivar count: how many; *received* may be kept empty by the test, this goes on.
    :ivar lost: why the connection is gone, ``None`` while it is there.
    :param made: called with it once it is connected.
    """

    def __init__(self, made: Callable[[Line], object] = lambda line: None) -> None:
        self._made = made
        self.received = bytearray()
        self.count = 0
        self.lost: Failure | None = None
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def connectionMade(self) -> None:
        """Connected."""
        self.wire.setTcpNoDelay(True)
        self._made(self)

    def dataReceived(self, data: bytes) -> None:
        """Keep bytes."""
        self.received += data
        self.count += len(data)
        self._look()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        self.lost = reason
        self._look()

    @property
    def wire(self) -> Any:
        """The transport."""
        return self.transport

    @property
    def was_cut(self) -> bool:
        """Whether the connection broke, instead of being closed."""
        return self.lost is not None and self.lost.check(ConnectionDone) is None

    def limit_window(self, size: int) -> None:
        """Let the kernel take only so much (and twice that) before we read it."""
        tcp: Any = self.wire
        if isinstance(tcp, ProtocolWrapper):
            tcp = tcp.transport
        tcp.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.wire.write(data)

    def until(self, condition: Callable[[], bool]) -> Deferred[None]:
        """
        Wait until something is true that only bytes or the end of the line can change.

        Fails with :class:`AssertionError` once the line has ended and nothing can change any more.
        """
        met: Deferred[None] = Deferred()
        self._waiting.append((condition, met))
        self._look()
        return met

    def until_received(self, count: int) -> Deferred[None]:
        """Wait for so many bytes."""
        return self.until(lambda: self.count >= count)

    def until_seen(self, data: bytes) -> Deferred[None]:
        """Wait for certain bytes."""
        return self.until(lambda: data in self.received)

    def until_lost(self) -> Deferred[None]:
        """Wait for the end."""
        return self.until(lambda: self.lost is not None)

    async def take_head(self) -> bytes:
        """Wait for a head, and take it from what was received."""
        await self.until_seen(b"\r\n\r\n")
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        self.received[:] = rest
        return head

    async def take(self, count: int) -> bytes:
        """Wait for bytes, and take them from what was received."""
        await self.until(lambda: len(self.received) >= count)
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    async def cut(self) -> None:
        """Cut the connection and wait until it is gone."""
        if self.lost is None:
            self.wire.abortConnection()
        await self.until_lost()

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        for condition, met in waiting:
            if condition():
                met.callback(None)
            elif self.lost is not None:
                # A test that went on waiting would end by its timeout, without saying why.
                why = self.lost.getErrorMessage()
                met.errback(
                    AssertionError(f"the line ended too soon, after {self.count} bytes: {why}")
                )
            else:
                self._waiting.append((condition, met))


class Upstream:
    """A server that does nothing by itself; the test takes each connection and plays it."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.lines: list[Line] = []
        self._accepted: list[Line] = []
        self._waiting: list[Deferred[Line]] = []
        self._port: IListeningPort | None = None

    async def start(self) -> None:
        """Listen on any port."""
        endpoint = TCP4ServerEndpoint(self._reactor, 0, interface=LOOPBACK)
        self._port = await endpoint.listen(Factory.forProtocol(lambda: Line(self._accept)))

    async def stop(self) -> None:
        """Stop, and cut what is connected."""
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        for line in self.lines:
            await line.cut()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._port is not None
        return int(cast(Any, self._port.getHost()).port)

    def accept(self) -> Deferred[Line]:
        """Give the next connection."""
        if self._accepted:
            return succeed(self._accepted.pop(0))
        waiting: Deferred[Line] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _accept(self, line: Line) -> None:
        self.lines.append(line)
        if self._waiting:
            self._waiting.pop(0).callback(line)
        else:
            self._accepted.append(line)


async def connect(reactor: Any, port: int, *, tls: bool = False) -> Line:
    """
    Connect to a port.

    :param tls: whether to talk TLS, to whomever it may be.
    """
    endpoint: Any = TCP4ClientEndpoint(reactor, LOOPBACK, port)
    if tls:
        endpoint = wrapClientTLS(CertificateOptions(), endpoint)
    return cast(Line, await endpoint.connect(Factory.forProtocol(Line)))
