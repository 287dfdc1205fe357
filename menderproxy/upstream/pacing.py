"""Bodies that flow no faster than a token bucket lets them."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from menderproxy.upstream.stores import StoreBody
from menderproxy.upstream.token_bucket import Share, TokenBucket
from menderproxy.upstream.watched import WatchedBody
from menderproxy.wire.body import BodySink

INTERVAL = 0.05
"""Seconds between two fillings of the bucket. The longer, the more comes in one go."""


class Pace:
    """
    Keeps any number of bodies to one rate.

    :param rate: bytes a second, for all of them together.
    """

    def __init__(self, clock: IReactorTime, rate: int):
        self._clock = clock
        self._bucket = TokenBucket(rate)
        self._bodies: dict[Share, PacedBody] = {}
        self._filled_at = 0.0
        self._call: IDelayedCall | None = None

    def body(self, body: StoreBody) -> PacedBody:
        """Give a body that brings the same bytes, in time."""
        return PacedBody(body, self)

    def join(self, body: PacedBody) -> Share:
        """Have a body filled up from now on."""
        share = self._bucket.join()
        self._bodies[share] = body
        if self._call is None:
            self._filled_at = self._clock.seconds()
            self._call = self._clock.callLater(INTERVAL, self._fill)
        return share

    def leave(self, share: Share) -> None:
        """Forget a body; the others share what it had."""
        self._bucket.leave(share)
        del self._bodies[share]
        if not self._bodies and self._call is not None:
            self._call.cancel()
            self._call = None

    def _fill(self) -> None:
        now = self._clock.seconds()
        self._call = self._clock.callLater(INTERVAL, self._fill)
        self._bucket.fill(now - self._filled_at)
        self._filled_at = now
        for body in list(self._bodies.values()):
            body.filled()


class PacedBody(WatchedBody):
    """
    Passes one body on, and pauses it whenever its share is used up.

    Pausing reaches down to the socket: its window closes, and the store sends no more.
    """

    def __init__(self, body: StoreBody, pace: Pace):
        super().__init__(body, self._leave)
        self._pace = pace
        self._share: Share | None = None
        self._used_up = False
        self._unwanted = False

    def deliver(self, sink: BodySink) -> None:
        """Let the body flow to *sink* (see :class:`menderproxy.wire.body.Body`)."""
        self._share = self._pace.join(self)
        super().deliver(sink)

    def pause(self) -> None:
        """Stop the flow for a while."""
        self._unwanted = True
        super().pause()

    def resume(self) -> None:
        """Let it go on, as soon as it may."""
        self._unwanted = False
        self._flow()

    def body_data(self, data: bytes) -> None:
        """Hand bytes on."""
        if self._share is not None:
            self._share.tokens -= len(data)
            if self._share.tokens <= 0:
                self._used_up = True
                super().pause()
        super().body_data(data)

    def filled(self) -> None:
        """The share was filled up: see whether there is something in it."""
        if self._used_up and self._share is not None and self._share.tokens > 0:
            self._used_up = False
            self._flow()

    def _flow(self) -> None:
        if not self._used_up and not self._unwanted:
            super().resume()

    def _leave(self) -> None:
        if self._share is not None:
            self._pace.leave(self._share)
            self._share = None
