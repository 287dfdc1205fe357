"""One pooled HTTP/1.1 client for everything that goes out: exact bytes, limits, timeouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn, cast
from weakref import WeakSet

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, succeed
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import (  # type: ignore[attr-defined]
    HTTP11ClientProtocol,
    HTTPConnectionPool,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseNeverReceived,
)
from twisted.web.client import Request as ClientRequest  # type: ignore[attr-defined]
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer, IResponse
from zope.interface import implementer

from menderproxy.upstream.connector import Connector, Origin
from menderproxy.upstream.errors import (
    BadRequestTarget,
    UpstreamTimeout,
    innermost_reasons,
    sort_out,
)
from menderproxy.wire.body import BodySink

RawHeaders = Sequence[tuple[bytes, bytes]]


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
    """

    log = Logger()

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
        self._turns = DeferredSemaphore(max_connections)
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = 32
        # Shorter than the keep-alive of the usual front ends (60-75 s), so that we close first.
        self._pool.cachedConnectionTimeout = 50
        self._pool.retryAutomatically = False
        self._used: WeakSet[HTTP11ClientProtocol] = WeakSet()

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
        :raises UpstreamError: no usable answer.
        """
        await self._turns.acquire()
        try:
            return await self._attempt(origin, method, target, headers, body)
        except BaseException:
            self._turns.release()
            raise

    async def _attempt(
        self, origin: Origin, method: bytes, target: bytes, headers: RawHeaders, body: bytes | None
    ) -> Answer:
        connection = await self._connect(origin)
        reused = connection in self._used
        self._used.add(connection)
        try:
            sent = connection.request(self._client_request(origin, method, target, headers, body))
        except ValueError as error:
            abort(connection)
            raise BadRequestTarget(str(error)) from None
        sent.addTimeout(self._timeouts.response, self._reactor, _timed_out)
        try:
            response = await sent
        except Exception:
            failure = Failure()
            abort(connection)
            if reused and _died_unanswered(failure):
                return await self._attempt(origin, method, target, headers, body)
            raise sort_out(failure, str(origin)) from None
        return Answer(response, connection, self._reactor, self._timeouts.idle, self._turns.release)

    def _client_request(
        self, origin: Origin, method: bytes, target: bytes, headers: RawHeaders, body: bytes | None
    ) -> ClientRequest:
        target, headers = self._connector.through_proxy(origin, target, headers)
        grouped = Headers()
        for name, value in headers:
            grouped.addRawHeader(name, value)
        producer = None if body is None else _BufferedBody(body)
        return ClientRequest(method, target, grouped, producer, persistent=True)

    async def _connect(self, origin: Origin) -> HTTP11ClientProtocol:
        connecting = self._pool.getConnection(origin, self._connector.endpoint(origin))
        connecting.addTimeout(self._timeouts.connect, self._reactor, _timed_out)
        try:
            return await connecting
        except Exception:
            raise sort_out(Failure(), str(origin)) from None

    async def close(self) -> None:
        """Close the connections that lie idle in the pool."""
        await self._pool.closeCachedConnections()


class Answer:
    """
    The head of an upstream's answer, and its body: to be delivered, or aborted.

    :ivar code: the status.
    :ivar phrase: the reason phrase.
    :ivar headers: raw, in order, with duplicates; without the framing ones.
    :ivar length: bytes of the body, or ``None`` when the upstream doesn't say.
    """

    def __init__(
        self,
        response: IResponse,
        connection: HTTP11ClientProtocol,
        reactor: IReactorTime,
        idle_timeout: float,
        release: Callable[[], object],
    ):
        self.code: int = response.code
        self.phrase: bytes = response.phrase
        self.headers: list[tuple[bytes, bytes]] = [
            (name, value)
            for name, values in response.headers.getAllRawHeaders()
            for value in values
        ]
        self.length: int | None = None if response.length is UNKNOWN_LENGTH else response.length
        self._response = response
        self._connection = connection
        self._reactor = reactor
        self._idle_timeout = idle_timeout
        self._release = release
        self._receiver: _Receiver | None = None
        self._over = False

    def header(self, name: bytes) -> bytes | None:
        """The last value of one header."""
        values: list[bytes] = self._response.headers.getRawHeaders(name) or [None]
        return values[-1]

    def deliver(self, sink: BodySink) -> None:
        """Let the body flow to *sink* (see :class:`menderproxy.wire.body.Body`)."""
        if not self._over:
            self._receiver = _Receiver(self, sink, self._reactor, self._idle_timeout)
            self._response.deliverBody(self._receiver)

    def pause(self) -> None:
        """Stop the body for a while."""
        if self._receiver is not None:
            self._receiver.pause()

    def resume(self) -> None:
        """Let the body flow again."""
        if self._receiver is not None:
            self._receiver.resume()

    def abort(self) -> None:
        """Drop the connection, body and all."""
        if self._receiver is not None:
            self._receiver.stop()
        if not self._over:
            self.over()
            abort(self._connection)

    def over(self) -> None:
        """Give the connection's turn to whoever waits for one (once)."""
        if not self._over:
            self._over = True
            self._release()


class _Receiver(Protocol):
    """Twisted's side of a body: hands the bytes on, and watches for a stalled upstream."""

    def __init__(self, answer: Answer, sink: BodySink, reactor: IReactorTime, idle_timeout: float):
        self._answer = answer
        self._sink: BodySink | None = sink
        self._reactor = reactor
        self._idle_timeout = idle_timeout
        self._idle: IDelayedCall | None = None
        self._paused = False

    def connectionMade(self) -> None:
        if self._paused:
            self._flow().pauseProducing()
        else:
            self._watch()

    def dataReceived(self, data: bytes) -> None:
        if self._sink is not None:
            if self._idle is not None:
                self._idle.reset(self._idle_timeout)
            self._sink.body_data(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        sink = self.stop()
        self._answer.over()
        if sink is None:
            return
        if reason.check(ResponseDone):
            sink.body_ended(certain=True)
        elif reason.check(PotentialDataLoss):
            sink.body_ended(certain=False)
        else:
            sink.body_broken(sort_out(reason, "the upstream's answer"))

    def pause(self) -> None:
        self._paused = True
        self._unwatch()
        if self._sink is not None and self.transport is not None:
            self._flow().pauseProducing()

    def resume(self) -> None:
        if self._paused and self._sink is not None and self.transport is not None:
            self._paused = False
            self._watch()
            self._flow().resumeProducing()

    def _flow(self) -> IPushProducer:
        return cast(IPushProducer, self.transport)

    def stop(self) -> BodySink | None:
        """Hear and tell nothing more; gives the sink that was not told yet."""
        self._unwatch()
        sink, self._sink = self._sink, None
        return sink

    def _watch(self) -> None:
        self._unwatch()
        self._idle = self._reactor.callLater(self._idle_timeout, self._stalled)

    def _unwatch(self) -> None:
        if self._idle is not None and self._idle.active():
            self._idle.cancel()
        self._idle = None

    def _stalled(self) -> None:
        self._idle = None
        sink = self.stop()
        self._answer.abort()
        if sink is not None:
            sink.body_broken(UpstreamTimeout("the upstream's answer stalled"))


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


def abort(connection: HTTP11ClientProtocol) -> None:
    """
    Cut a client connection at once.

    ``loseConnection`` would wait for the peer's goodbye, and does nothing at all on a paused
    TLS connection; aborting a TLS connection that is gone already raises, hence the check.
    """
    if connection.state != "CONNECTION_LOST" and connection.transport is not None:
        cast(ITCPTransport, connection.transport).abortConnection()


def _timed_out(result: object, timeout: float) -> NoReturn:
    raise UpstreamTimeout(f"no answer within {timeout:g} s")


def _died_unanswered(failure: Failure) -> bool:
    unanswered = failure.check(ResponseNeverReceived, RequestTransmissionFailed, RequestNotSent)
    cancelled = any(isinstance(reason, CancelledError) for reason in innermost_reasons(failure))
    return unanswered is not None and not cancelled
