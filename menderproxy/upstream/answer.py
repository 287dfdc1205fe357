"""An upstream's answer: its head, and its body on the way to whoever takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import (
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (  # type: ignore[attr-defined]
    HTTP11ClientProtocol,
    ResponseDone,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from menderproxy.upstream.errors import UpstreamTimeout, sort_out
from menderproxy.upstream.statistics import Statistics, Trouble
from menderproxy.wire.body import BodySink


class Answer:
    """
    The head of an upstream's answer, and its body: to be delivered, or aborted.

    :ivar code: the status.
    :ivar phrase: the reason phrase.
    :ivar headers: raw, in order, with duplicates; without the framing ones.
    :ivar length: bytes of the body, or ``None`` when the upstream doesn't say.

    :param idle_timeout: seconds without a byte of a body that is wanted.
    :param release: called once, as soon as the connection has no more to do for this answer.
    :param statistics: counts the body's bytes, and how it ends if not well.
    """

    def __init__(
        self,
        response: IResponse,
        connection: HTTP11ClientProtocol,
        reactor: IReactorTime,
        idle_timeout: float,
        release: Callable[[], object],
        statistics: Statistics | None = None,
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
        self.statistics = Statistics() if statistics is None else statistics
        self._receiver: _Receiver | None = None
        self._over = False

    def header(self, name: bytes) -> bytes | None:
        """The last value of one header."""
        values = self._response.headers.getRawHeaders(name)
        return values[-1] if values else None

    def deliver(self, sink: BodySink) -> None:
        """Let the body flow to *sink* (see :class:`menderproxy.wire.body.Body`)."""
        if not self._over:
            self._receive(sink)

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
        if self._receiver is None and not self._over:
            # A body that is all here by now ends at once: its connection went back to the
            # pool, where another request may have it.
            self._receive(None)
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

    def ended(self) -> None:
        """The body is over, and the connection is the pool's or on its way out."""
        if getattr(self._connection.transport, "disconnecting", False):
            # Closing TLS waits for the peer's goodbye, for ever.
            abort(self._connection)
        self.over()

    def _receive(self, sink: BodySink | None) -> None:
        self._receiver = _Receiver(self, sink, self._reactor, self._idle_timeout)
        self._response.deliverBody(self._receiver)
        self._receiver.delivered()


class _Receiver(Protocol):
    """Twisted's side of a body: hands the bytes on, and watches for a stalled upstream."""

    def __init__(
        self, answer: Answer, sink: BodySink | None, reactor: IReactorTime, idle_timeout: float
    ):
        self._answer = answer
        self._statistics = answer.statistics
        self._sink = sink
        self._reactor = reactor
        self._idle_timeout = idle_timeout
        self._idle: IDelayedCall | None = None
        self._paused = False

    def connectionMade(self) -> None:
        self._watch()

    def delivered(self) -> None:
        """Twisted handed over what it had, and resumed the connection whatever we said."""
        if self._paused:
            self.pause()

    def dataReceived(self, data: bytes) -> None:
        self._statistics.received += len(data)
        if self._sink is not None:
            if self._idle is not None:
                self._idle.reset(self._idle_timeout)
            self._sink.body_data(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        sink = self.stop()
        self._answer.ended()
        if sink is None:
            return
        if reason.check(ResponseDone):
            sink.body_ended(certain=True)
        elif reason.check(PotentialDataLoss):
            sink.body_ended(certain=False)
        else:
            self._statistics.troubles[Trouble.BROKEN_OFF] += 1
            sink.body_broken(sort_out(reason, "the upstream's answer"))

    def pause(self) -> None:
        """Read nothing more from the connection, and don't blame the upstream for it."""
        self._paused = True
        self._unwatch()
        if self._sink is not None:
            self._flow().pauseProducing()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._sink is not None:
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
        self._idle = self._reactor.callLater(self._idle_timeout, self._stalled)

    def _unwatch(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = None

    def _stalled(self) -> None:
        self._idle = None
        sink = self.stop()
        self._answer.abort()
        if sink is not None:
            self._statistics.troubles[Trouble.TIMEOUT] += 1
            sink.body_broken(UpstreamTimeout("the upstream's answer stalled"))


def abort(connection: HTTP11ClientProtocol) -> None:
    """
    Cut a client connection at once.

    ``loseConnection`` would wait for the peer's goodbye, and does nothing at all on a paused
    TLS connection; aborting a TLS connection that is gone already raises, hence the check.
    """
    if connection.state != "CONNECTION_LOST" and connection.transport is not None:
        cast(ITCPTransport, connection.transport).abortConnection()
