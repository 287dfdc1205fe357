"""An HTTP proxy that tunnels, and does nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols import portforward
from twisted.python.failure import Failure

from menderproxy.demo.network import LOOPBACK

_END = b"\r\n\r\n"
_LONGEST_HEAD = 16384


class ConnectProxy(Factory):
    """
    Connects its clients to the hosts that it knows.

    :param ports: of the hosts, all of which are on this machine.
    """

    noisy = False

    def __init__(self, reactor: Any, ports: Mapping[str, int]):
        self.reactor = reactor
        self.ports = ports

    def buildProtocol(self, addr: Any) -> Any:
        """A client came."""
        return _ClientSide(self)


class _Side(portforward.Proxy):
    """One end of a tunnel: each is slowed down by the other."""

    peer: Any = None
    transport: Any

    def join(self, peer: _Side) -> None:
        self.setPeer(peer)
        peer.setPeer(self)
        self.transport.registerProducer(peer.transport, True)
        peer.transport.registerProducer(self.transport, True)


class _ClientSide(_Side):
    def __init__(self, proxy: ConnectProxy):
        self._proxy = proxy
        self._head = b""
        self._gone = False

    def dataReceived(self, data: bytes) -> None:
        if self.peer is not None:
            super().dataReceived(data)  # type: ignore[no-untyped-call]
            return
        self._head += data
        if _END in self._head:
            self.transport.pauseProducing()
            self._connect()
        elif len(self._head) > _LONGEST_HEAD:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        if self.peer is not None:
            super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def _connect(self) -> None:
        line = self._head.partition(b"\r\n")[0].decode("latin-1")
        method, _, rest = line.partition(" ")
        host = rest.partition(" ")[0].rpartition(":")[0]
        port = self._proxy.ports.get(host) if method == "CONNECT" else None
        if port is None:
            self._refuse(Failure(KeyError(host)))
            return
        endpoint = TCP4ClientEndpoint(self._proxy.reactor, LOOPBACK, port)
        joining: Any = Factory.forProtocol(_Side)
        connecting = endpoint.connect(joining)
        connecting.addCallbacks(self._joined, self._refuse)

    def _joined(self, server: Any) -> None:
        if self._gone:
            server.transport.abortConnection()
            return
        self.transport.write(b"HTTP/1.1 200 Connection established" + _END)
        self.join(server)
        self.transport.resumeProducing()

    def _refuse(self, reason: Failure) -> None:
        if not self._gone:
            self.transport.write(b"HTTP/1.1 502 Bad Gateway" + _END)
            self.transport.loseConnection()
