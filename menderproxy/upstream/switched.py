"""A connection to an upstream that has left HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime

from menderproxy.upstream.client import Connection
from menderproxy.wire.body import BodySink

CLOSE_TIMEOUT = 5.0
"""Seconds in which an upstream has to take what is left, and let go of the connection."""


class Switched:
    """
    A connection on which another protocol is spoken: a body that comes, and bytes that go.

    Nothing is read from it before :meth:`deliver`; who does not want it must abort it.

    :ivar headers: of the answer that switched it.
    """

    def __init__(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        connection: Connection,
        reactor: IReactorTime,
    ):
        self.headers = headers
        self._connection = connection
        self._transport = cast(Any, connection.transport)
        self._reactor = reactor
        self._early = b""
        self._sink: BodySink | None = None
        self._closing: IDelayedCall | None = None
        self._is_regulated = False
        self._is_lost = False
        self.pause()

    # From the connection

    def received(self, data: bytes) -> None:
        """Bytes came."""
        if self._sink is not None:
            self._sink.body_data(data)
        elif self._closing is None:
            # TLS goes on to deliver what it had when it was paused.
            self._early += data

    def lost(self) -> None:
        """The connection is gone; how, makes no difference to who only passes bytes on."""
        self._is_lost = True
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.body_ended(certain=False)

    # What comes: see menderproxy.wire.body.Body

    def deliver(self, sink: BodySink) -> None:
        """Let bytes flow to *sink*, first of all those that came with the switch."""
        self._sink = sink
        early, self._early = self._early, b""
        self.resume()
        if early:
            sink.body_data(early)
        if self._is_lost:
            self.lost()

    def pause(self) -> None:
        """Stop reading for a while."""
        self._transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self._transport.resumeProducing()

    # What goes

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._transport.write(data)

    def regulate(self, source: IPushProducer) -> None:
        """
        Let the upstream set the pace of what is written.

        :param source: paused while the upstream does not follow.
        """
        self._is_regulated = True
        self._transport.registerProducer(source, True)

    # The end

    def close(self) -> None:
        """
        Send what is left, then close; the sink hears nothing more. May be said again.

        Closing TLS waits for the peer's goodbye, and a peer may take nothing any more: after
        a while the connection is cut.
        """
        self._sink = None
        if self._closing is None and not self._is_lost:
            self._closing = self._reactor.callLater(CLOSE_TIMEOUT, self.abort)
            if self._is_regulated:
                # It would keep the connection open as long as it is paused.
                self._transport.unregisterProducer()
            self._transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection; the sink hears nothing more."""
        self._sink = None
        self._connection.abort()
