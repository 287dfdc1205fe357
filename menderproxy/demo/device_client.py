"""HTTP as a Mender client speaks it: one connection for the API, one for each download."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import attrs
from cryptography import x509
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IConsumer, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (  # type: ignore[attr-defined]
    URI,
    Agent,
    ContentDecoderAgent,
    GzipDecoder,
    HTTP11ClientProtocol,
    HTTPConnectionPool,
    Request,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    UNKNOWN_LENGTH,
    IAgentEndpointFactory,
    IBodyProducer,
    IResponse,
)
from zope.interface import implementer

from menderproxy.upstream.tls import TrustRoots, VerifiedHost

USER_AGENT = b"Go-http-client/1.1"

#: What a request or a body ends with when the network is to blame: worth another try.
BROKEN = (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseFailed,
)


@attrs.frozen
class Answer:
    """An API call's answer with all of its body."""

    status: int
    body: bytes = attrs.field(repr=False)


@implementer(IAgentEndpointFactory)
class TrustingEndpoints:
    """
    Endpoints for the URLs of a network with an authority of its own.

    :param authority: the only one trusted; the system's are not.
    """

    def __init__(self, reactor: Any, authority: x509.Certificate):
        self._reactor = reactor
        self._trust = TrustRoots([authority], system=False)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Make the endpoint for a URL (called by Twisted, too)."""
        host = uri.host.decode("ascii")
        endpoint = HostnameEndpoint(self._reactor, host, uri.port)
        if uri.scheme == b"https":
            return wrapClientTLS(VerifiedHost(host, self._trust), endpoint)
        return endpoint


class DeviceClient:
    """
    Makes one device's requests.

    :param authority: the certificate authority that vouches for the servers.
    """

    def __init__(self, reactor: Any, authority: x509.Certificate):
        self._endpoints = TrustingEndpoints(reactor, authority)
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = 1
        self._pool.retryAutomatically = False
        # Servers close idle connections after a minute or so: be earlier.
        self._pool.cachedConnectionTimeout = 30
        agent = Agent.usingEndpointFactory(reactor, self._endpoints, self._pool)
        self._agent = ContentDecoderAgent(agent, [(b"gzip", GzipDecoder)])

    async def call(
        self,
        method: bytes,
        url: str,
        headers: Headers,
        body: bytes | None = None,
        *,
        chunked: bool = True,
    ) -> Answer:
        """
        Make an API call.

        :param chunked: whether the body goes without a Content-Length, as the Go client's do.
        """
        headers.setRawHeaders(b"User-Agent", [USER_AGENT])
        if body is not None:
            headers.setRawHeaders(b"Content-Type", [b"application/json"])
        producer = None if body is None else _RequestBody(body, chunked)
        response = await _cancellable(
            self._agent.request(method, url.encode("ascii"), headers, producer)
        )
        received: list[bytes] = []
        await delivered(response, received.append)
        return Answer(response.code, b"".join(received))

    async def get(self, url: str, headers: Headers) -> tuple[IResponse, Callable[[], None]]:
        """
        Ask for a download on a connection of its own, with the link's very bytes.

        :return: the head of the answer, and what drops the connection: the caller has to.
        """
        uri = URI.fromBytes(url.encode("ascii"))
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers.setRawHeaders(b"Host", [uri.netloc])
        headers.setRawHeaders(b"User-Agent", [USER_AGENT])
        endpoint = self._endpoints.endpointForURI(uri)
        connection = cast(
            HTTP11ClientProtocol,
            await endpoint.connect(Factory.forProtocol(HTTP11ClientProtocol)),
        )
        request = Request(b"GET", target.encode("ascii"), headers, None, persistent=False)
        try:
            response = await _cancellable(connection.request(request))
            return response, partial(_abort, connection)
        except BaseException:
            _abort(connection)
            raise

    async def close(self) -> None:
        """Close the connection that API calls share."""
        await self._pool.closeCachedConnections()


def delivered(response: IResponse, take: Callable[[bytes], object]) -> Deferred[None]:
    """
    Have a body delivered.

    :param take: called with each piece of it.
    :return: fires when the body is complete, fails when it broke off.
    """
    receiver = _Receiver(take)
    response.deliverBody(receiver)
    return receiver.done


async def _cancellable(answer: Deferred[IResponse]) -> IResponse:
    try:
        return await answer
    except ResponseFailed as error:
        # A request that was cancelled looks like a broken one, and must not be tried again.
        if any(reason.check(CancelledError) for reason in error.reasons):
            raise CancelledError from error
        raise


def _abort(connection: HTTP11ClientProtocol) -> None:
    transport: Any = connection.transport
    # A TLS transport that is gone already can't be aborted: its connection object is None.
    if transport is not None and transport.connected:
        transport.abortConnection()


class _Receiver(Protocol):
    def __init__(self, take: Callable[[bytes], object]):
        self._take = take
        self.done: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._take(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone):
            self.done.callback(None)
        else:
            self.done.errback(reason)


@implementer(IBodyProducer)
class _RequestBody:
    """A body that is written at once; Twisted's own needs the global reactor."""

    def __init__(self, body: bytes, chunked: bool):
        self._body = body
        self.length: int = UNKNOWN_LENGTH if chunked else len(body)  # type: ignore[assignment]

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass
