"""One pooled HTTP/1.1 client for everything that goes out: exact bytes, limits, timeouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, TypeVar
from weakref import WeakSet

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.web.client import (  # type: ignore[attr-defined]
    HTTP11ClientProtocol,
    HTTPConnectionPool,
)
from twisted.web.client import Request as ClientRequest  # type: ignore[attr-defined]
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from menderproxy.upstream.answer import Answer, abort
from menderproxy.upstream.connector import Connector, Origin
from menderproxy.upstream.errors import (
    BadRequestTarget,
    Unanswered,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    sort_out,
)
from menderproxy.upstream.statistics import Statistics, Trouble
from menderproxy.upstream.turns import Turns

__all__ = ["Agent", "Answer", "RawHeaders", "Timeouts"]

RawHeaders = Sequence[tuple[bytes, bytes]]
T = TypeVar("T")


@attrs.frozen
class Timeouts:
    """
    How long an upstream may take, in seconds.

    :param connect: until the connection stands, name look-up included.
    :param response: from the request to the head of the answer.
    :param idle: without a single byte of the body while we are willing to take some.
    """

    connect: float = 10.0
    response: float = 60.0
    idle: float = 60.0


class Agent:
    """
    Sends requests byte for byte as given, over pooled connections.

    ``twisted.web.client.Agent`` parses and rebuilds the URI (an empty query and a trailing
    ``;`` get lost), which breaks signed links, so the pool is used directly.

    :param connector: gives the endpoint (TLS, proxy, address rules included) of an origin.
    :param max_connections: requests in flight at once; more of them wait for their turn.
    :ivar statistics: of what happened so far.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        connector: Connector,
        *,
        timeouts: Timeouts | None = None,
        max_connections: int = 128,
    ):
        self._reactor = reactor
        self._connector = connector
        self._timeouts = Timeouts() if timeouts is None else timeouts
        self._turns = Turns(max_connections)
        self._pool = _pool(reactor)
        self._used: WeakSet[HTTP11ClientProtocol] = WeakSet()
        self.statistics = Statistics()

    async def request(
        self,
        origin: Origin,
        method: bytes,
        target: bytes,
        headers: RawHeaders,
        body: bytes | None = None,
    ) -> Answer:
        """
        Send one request and wait for the head of the answer.

        A request that dies unanswered on a connection that was *reused* is sent once more on
        a new one: the server closed it while it lay idle.

        :param headers: complete, with exactly one Host and no framing headers.
        :raises BadRequestTarget: the target can't be sent; nothing was.
        :raises UpstreamError: no usable answer.
        """
        target, headers = self._connector.through_proxy(origin, target, headers)
        request = _client_request(method, target, headers, body)
        await self._turns.take()
        try:
            with self._counting_trouble():
                return await self._exchange(origin, request)
        except BaseException:
            self._turns.give_back()
            raise

    @contextmanager
    def _counting_trouble(self) -> Iterator[None]:
        try:
            yield
        except UpstreamError as error:
            self.statistics.troubles[Trouble.of(error)] += 1
            raise

    async def _exchange(self, origin: Origin, request: ClientRequest) -> Answer:
        connection = await self._connect(origin, self._pool.getConnection)
        if connection in self._used:
            try:
                return await self._send(connection, request, origin)
            except Unanswered:
                # Not getConnection, which may give the next one that the server has closed.
                connection = await self._connect(origin, self._pool._newConnection)
        return await self._send(connection, request, origin)

    async def _connect(
        self,
        origin: Origin,
        connect: Callable[[Origin, IStreamClientEndpoint], Deferred[HTTP11ClientProtocol]],
    ) -> HTTP11ClientProtocol:
        connecting = _cancellable(connect(origin, self._connector.endpoint(origin)))
        upstream = self._connector.describe(origin)
        connecting.addTimeout(
            self._timeouts.connect, self._reactor, _too_late(f"{upstream}: no connection")
        )
        try:
            return await connecting
        except Exception:
            raise sort_out(Failure(), upstream) from None

    async def _send(
        self, connection: HTTP11ClientProtocol, request: ClientRequest, origin: Origin
    ) -> Answer:
        self._used.add(connection)
        upstream = self._connector.describe(origin)
        responding = connection.request(request)
        responding.addTimeout(
            self._timeouts.response, self._reactor, _too_late(f"{upstream}: no answer")
        )
        try:
            response = await responding
        except Exception:
            failure = Failure()
            abort(connection)
            raise sort_out(failure, upstream) from None
        challenge = response.headers.getRawHeaders(b"www-authenticate", [b""])[0]
        if self._connector.credentials_refused(origin, response.code, challenge):
            # No device could do anything about that.
            abort(connection)
            raise UpstreamUnavailable(f"{upstream} wants other credentials ({response.code})")
        return Answer(
            response,
            connection,
            self._reactor,
            self._timeouts.idle,
            self._turns.give_back,
            self.statistics,
        )

    async def close(self) -> None:
        """Cut all connections, idle or not."""
        closing = self._pool.closeCachedConnections()
        for connection in list(self._used):
            abort(connection)
        await closing


@implementer(IBodyProducer)
class _BufferedBody:
    """A request body that is all here."""

    def __init__(self, body: bytes):
        self.body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write it all at once: it is small."""
        consumer.write(self.body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """There is nothing left to hold back."""

    def resumeProducing(self) -> None:
        """There is nothing left to send."""

    def stopProducing(self) -> None:
        """There is nothing left to stop."""


def _pool(reactor: IReactorTime) -> HTTPConnectionPool:
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = 32
    # Shorter than the keep-alive of the usual front ends (60-75 s), so that we close first.
    pool.cachedConnectionTimeout = 50
    # Twisted's own retry leaves out requests with a body, and hides the connection.
    pool.retryAutomatically = False
    return pool


def _client_request(
    method: bytes, target: bytes, headers: RawHeaders, body: bytes | None
) -> ClientRequest:
    grouped = Headers()
    for name, value in headers:
        grouped.addRawHeader(name, value)
    producer = None if body is None else _BufferedBody(body)
    try:
        return ClientRequest(method, target, grouped, producer, persistent=True)
    except ValueError:
        # Twisted's own text quotes the target, query and all.
        raise BadRequestTarget("the method or target holds bytes not allowed there") from None


def _cancellable(working: Deferred[T]) -> Deferred[T]:
    """
    Give the same result, except that a cancellation always ends in ``CancelledError``.

    Twisted's endpoints report a cancelled name look-up as a failed one, and a cancelled
    connection attempt by an error of its own.
    """
    result: Deferred[T] = Deferred()

    def stop(failure: Failure) -> Failure:
        working.cancel()
        return failure

    result.addErrback(stop)
    working.chainDeferred(result)
    return result


def _too_late(what: str) -> Callable[[object, float], NoReturn]:
    def raise_timeout(result: object, seconds: float) -> NoReturn:
        raise UpstreamTimeout(f"{what} within {seconds:g} s")

    return raise_timeout
