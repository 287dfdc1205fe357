"""One pooled HTTP/1.1 client for everything that goes out: exact bytes, limits, timeouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from menderproxy.upstream.answer import Answer
from menderproxy.upstream.client import Connection, ConnectionFactory, Surroundings, Timeouts
from menderproxy.upstream.connector import Connector, Origin
from menderproxy.upstream.errors import (
    Unanswered,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    sort_out,
)
from menderproxy.upstream.pool import Pool
from menderproxy.upstream.request import RawHeaders, serialized
from menderproxy.upstream.statistics import Statistics, Trouble
from menderproxy.upstream.turns import Turns

__all__ = ["Agent", "Answer", "RawHeaders", "Timeouts"]

T = TypeVar("T")

_CREDENTIALS_WANTED = frozenset({401, 407})


class Agent:
    """
    Sends requests byte for byte as given, over pooled connections.

    :param connector: gives the endpoint (TLS, proxy, address rules included) of an origin.
    :param max_connections: requests in flight at once; more of them wait for their turn.
    :ivar statistics: of what happened so far.
    :ivar pool: the connections that stand.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        connector: Connector,
        *,
        timeouts: Timeouts | None = None,
        max_connections: int = 128,
    ):
        self.statistics = Statistics()
        self.pool = Pool()
        self._reactor = reactor
        self._connector = connector
        self._timeouts = Timeouts() if timeouts is None else timeouts
        self._turns = Turns(max_connections)
        self._surroundings = Surroundings(reactor, self._timeouts, self.pool, self.statistics)

    @property
    def in_flight(self) -> int:
        """How many requests are under way, up to the last byte of their answers."""
        return self._turns.taken

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
        :raises BadRequestTarget: the request can't be sent; nothing was.
        :raises UpstreamError: no usable answer.
        """
        target, headers = self._connector.through_proxy(origin, target, headers)
        request = serialized(method, target, headers, body)
        if not self._turns.take_free():
            await self._turns.take()
        try:
            answer = await self._exchange(origin, request, to_head=method == b"HEAD")
            if answer.code in _CREDENTIALS_WANTED:
                self._check_credentials(origin, answer)
        except BaseException as error:
            self._turns.give_back()
            self._count(error)
            raise
        answer.when_over(self._turns.give_back)
        return answer

    async def close(self) -> None:
        """Cut all connections, idle or not."""
        await self.pool.close()

    def _count(self, error: BaseException) -> None:
        if isinstance(error, UpstreamError):
            self.statistics.troubles[Trouble.of(error)] += 1

    async def _exchange(self, origin: Origin, request: bytes, *, to_head: bool) -> Answer:
        reused = self.pool.take(origin)
        if reused is not None:
            try:
                return await reused.request(request, to_head=to_head)
            except Unanswered:
                # Not another one of the pool, which the server may have closed as well.
                pass
        connection = await self._connect(origin, Connection)
        return await connection.request(request, to_head=to_head)

    async def _connect(
        self, origin: Origin, kind: type[Connection], *, tunnel: bool = False
    ) -> Connection:
        upstream = self._connector.describe(origin)
        factory = ConnectionFactory(kind, origin, upstream, self._surroundings)
        endpoint = self._connector.endpoint(origin, tunnel=tunnel)
        connecting = _cancellable(endpoint.connect(factory))
        connecting.addTimeout(
            self._timeouts.connect, self._reactor, _too_late(f"{upstream}: no connection")
        )
        try:
            return cast(Connection, await connecting)
        except Exception:
            raise sort_out(Failure(), upstream) from None

    def _check_credentials(self, origin: Origin, answer: Answer) -> None:
        challenges = (
            value for name, value in answer.headers if name.lower() == b"www-authenticate"
        )
        if self._connector.credentials_refused(origin, answer.code, next(challenges, b"")):
            # No device could do anything about that.
            answer.abort()
            raise UpstreamUnavailable(
                f"{self._connector.describe(origin)} wants other credentials ({answer.code})"
            )


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
