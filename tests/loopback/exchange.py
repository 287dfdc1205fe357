"""One request and its answer over a real socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure


class _Exchange(Protocol):
    def __init__(self, request: bytes):
        self.answered: Deferred[bytes] = Deferred()
        self._request = request
        self._answer = b""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        self._answer += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.answered.callback(self._answer)


async def get(
    reactor: Any,
    host: str,
    port: int,
    path: str,
    tls: IOpenSSLClientConnectionCreator | None = None,
) -> bytes:
    """
    Ask for a path and take the answer, head and all, until the connection is closed.

    :param tls: for https.
    """
    endpoint: IStreamClientEndpoint = HostnameEndpoint(reactor, host, port)
    if tls is not None:
        endpoint = wrapClientTLS(tls, endpoint)
    request = f"GET {path} HTTP/1.1\r\nHost: gateway.example\r\nConnection: close\r\n\r\n"
    exchange = _Exchange(request.encode())
    await connectProtocol(endpoint, exchange)
    return await exchange.answered


def status(answer: bytes) -> int:
    """Give the status of an answer; 0 for none at all."""
    return int(answer.split(b" ", 2)[1]) if answer else 0
