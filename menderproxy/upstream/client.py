"""
One HTTP/1.1 connection to an upstream: one request after the other, and their answers.

``twisted.web.client`` takes several times as much time for a small request as everything else
that the gateway does with it (a parser called for each line, an object for each header, a timer
and half a dozen Deferreds for each request), keeps heads of any length, and does not notice what
comes behind an answer. What is needed here is little: no redirects, cookies, or pipelines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from menderproxy.transport.deadline import Deadline
from menderproxy.upstream.answer import Answer
from menderproxy.upstream.errors import (
    Unanswered,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    sort_out,
)
from menderproxy.upstream.framing import Framing, UntilClosed, framing_of
from menderproxy.upstream.statistics import Statistics
from menderproxy.wire.response_head import MalformedAnswer, ResponseHead, check_beginning

if TYPE_CHECKING:
    from menderproxy.upstream.connector import Origin
    from menderproxy.upstream.pool import Pool

LIFE_WHEN_IDLE = 50.0
"""Seconds; below the keep-alive of the usual front ends (60 to 75 s), so that we close first."""
MOST_INTERIMS = 8
"""Interim answers that may come before the one that counts."""

_END = b"\r\n\r\n"


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


@attrs.frozen
class Surroundings:
    """
    What all connections of an agent have in common.

    :param pool: where they go when they have nothing to do.
    :param statistics: count the bodies' bytes, and how they end if not well.
    """

    clock: IReactorTime
    timeouts: Timeouts
    pool: Pool
    statistics: Statistics


class Connection(Protocol):
    """
    Sends a request, reads its answer, and goes (back) to the pool; or is cut.

    It either waits for the head of an answer, or for the rest of its body, or is idle.

    :ivar origin: to whom it leads.
    :ivar is_open: whether it can be used: neither lost nor cut.

    :param upstream: the same, and the proxy on the way, for error messages.
    """

    is_reusable = True
    """Whether the next request may go out on it."""

    def __init__(self, origin: Origin, upstream: str, surroundings: Surroundings):
        self.origin = origin
        self.is_open = False
        self._upstream = upstream
        self._pool = surroundings.pool
        self._timeouts = surroundings.timeouts
        self._statistics = surroundings.statistics
        self._deadline = Deadline(surroundings.clock, self._expired)
        self._is_reading = True
        self._asked: Deferred[Answer] | None = None
        self._to_head = False
        self._early = b""
        self._is_heard = False
        self._interims = 0
        self._answer: Answer | None = None
        self._framing: Framing = UntilClosed()
        self._is_persistent = False

    def connectionMade(self) -> None:
        """The connection stands."""
        self.is_open = True
        self._pool.opened(self)
        tcp = ITCPTransport(self.transport, None)
        if tcp is not None:
            tcp.setTcpNoDelay(True)
        # Of several that were dialled at once only one gets a request.
        self._deadline.set(LIFE_WHEN_IDLE)

    def request(self, data: bytes, *, to_head: bool = False) -> Deferred[Answer]:
        """
        Send a request, of which the whole is *data*.

        :param to_head: whether its method is HEAD.
        :returns: the answer, once its head is here; or fails with an ``UpstreamError``. To
            cancel it is to cut the connection.
        """
        if not self.is_open:
            return fail(Unanswered(f"{self._upstream}: the connection is gone"))
        asked: Deferred[Answer] = Deferred(self._cancelled)
        self._asked = asked
        self._to_head = to_head
        self._early = b""
        self._is_heard = False
        self._interims = 0
        self._deadline.set(self._timeouts.response)
        cast(Any, self.transport).write(data)
        return asked

    # What comes

    def dataReceived(self, data: bytes) -> None:
        """Bytes came: of an answer, or without one being due."""
        try:
            if self._answer is not None:
                self._take_body(self._answer, data)
            elif self._asked is not None:
                self._take_head(data)
            else:
                self.abort()
        except MalformedAnswer as error:
            self.give_up(UpstreamUnavailable(f"{self._upstream}: {error}"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self.is_open = False
        self._deadline.stop()
        self._pool.lost(self)
        asked, self._asked = self._asked, None
        if asked is not None:
            kind = UpstreamUnavailable if self._is_heard else Unanswered
            asked.errback(sort_out(reason, self._upstream, kind))
        answer, self._answer = self._answer, None
        if answer is not None:
            is_end = isinstance(self._framing, UntilClosed) and reason.check(ConnectionDone)
            answer.ended(False if is_end else sort_out(reason, "the upstream's answer"))

    def _take_head(self, data: bytes) -> None:
        self._is_heard = True
        data = self._early + data
        while (end := data.find(_END)) >= 0:
            block, data = data[:end], data[end + len(_END) :]
            head = ResponseHead.parse(block, to_head=self._to_head)
            if head.code >= 200:
                self._take_answer(head, data)
                return
            if self._leaves_http(head, block, data):
                return
        check_beginning(data)
        self._early = data

    def _leaves_http(self, head: ResponseHead, block: bytes, rest: bytes) -> bool:
        """
        Look at an interim answer.

        :param block: its head as it came.
        :param rest: what came behind it.
        :returns: whether what follows is no HTTP.
        """
        self._interims += 1
        if self._interims > MOST_INTERIMS:
            raise MalformedAnswer("there are too many interim answers")
        return False

    def _take_answer(self, head: ResponseHead, data: bytes) -> None:
        self._framing = framing_of(head, len(data))
        self._is_persistent = head.is_persistent
        content = self._framing.feed(data)
        asked, self._asked = self._asked, None
        assert asked is not None, "only called while somebody waits for it"
        if self._framing.is_over:
            # First of all, so that whatever is asked next can use it.
            self._free()
            asked.callback(Answer(head, None, content, self._statistics))
            return
        self._answer = answer = Answer(head, self, content, self._statistics)
        asked.callback(answer)
        if self._answer is answer and not answer.is_wanted:
            self.pause()

    def _take_body(self, answer: Answer, data: bytes) -> None:
        content = self._framing.feed(data)
        if self._framing.is_over:
            self._answer = None
            self._free()
            answer.ended(True, content)
        else:
            if self._is_reading:
                self._deadline.set(self._timeouts.idle)
            answer.received(content)

    def _free(self) -> None:
        """All of an answer is here."""
        if self.is_reusable and self._is_persistent and not self._framing.has_excess:
            self._read(True)
            self._deadline.set(LIFE_WHEN_IDLE)
            self._pool.park(self)
        else:
            self.abort()

    # For the answer, while its body comes

    def pause(self) -> None:
        """Read nothing more, and don't blame the upstream for it."""
        self._deadline.call_off()
        self._read(False)

    def resume(self) -> None:
        """Read on."""
        self._deadline.set(self._timeouts.idle)
        self._read(True)

    def drop(self) -> None:
        """Cut the connection: nobody wants the rest of its body."""
        self._answer = None
        self.abort()

    def _read(self, is_wanted: bool) -> None:
        if self._is_reading != is_wanted:
            self._is_reading = is_wanted
            transport = cast(IPushProducer, self.transport)
            if is_wanted:
                transport.resumeProducing()
            else:
                transport.pauseProducing()

    # The end

    def abort(self) -> None:
        """
        Cut the connection at once. May be said again.

        ``loseConnection`` would wait for the peer's goodbye, and does nothing at all on a paused
        TLS connection; aborting a TLS connection that is gone already raises.
        """
        if self.is_open:
            self.is_open = False
            self._deadline.stop()
            cast(ITCPTransport, self.transport).abortConnection()

    def give_up(self, error: UpstreamError) -> None:
        """Cut the connection, and tell who waits for something from it why."""
        asked, self._asked = self._asked, None
        answer, self._answer = self._answer, None
        self.abort()
        if asked is not None:
            asked.errback(error)
        if answer is not None:
            answer.ended(error)

    def _expired(self) -> None:
        if self._asked is not None:
            seconds = self._timeouts.response
            self.give_up(UpstreamTimeout(f"{self._upstream}: no answer within {seconds:g} s"))
        elif self._answer is not None:
            self.give_up(UpstreamTimeout("the upstream's answer stalled"))
        else:
            self.abort()

    def _cancelled(self, asked: Deferred[Answer]) -> None:
        self._asked = None
        self.abort()


class ConnectionFactory(Factory):
    """
    Makes the connections of one attempt: a name may have several addresses, tried at once.

    :param kind: of connection.
    """

    noisy = False

    def __init__(
        self, kind: type[Connection], origin: Origin, upstream: str, surroundings: Surroundings
    ):
        self._kind = kind
        self._origin = origin
        self._upstream = upstream
        self._surroundings = surroundings

    def buildProtocol(self, addr: object) -> Connection:
        """Make one."""
        return self._kind(self._origin, self._upstream, self._surroundings)
