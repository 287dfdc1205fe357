"""One timer for whatever a connection waits for."""

from __future__ import annotations

import math
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadline:
    """
    A point in time that moves on with each request and each byte.

    To move a timer of the reactor costs more than to parse an answer, so the timer stays where
    it is as long as it rings too early, and is set again when it does.

    :ivar expired: called at that time, unless it was moved or called off.
    :param soonest: seconds after which a timer that is set rings at the latest, however far away
        the deadline is. So a nearer deadline, such as comes with the end of a connection, seldom
        needs another one.
    """

    __slots__ = ("_at", "_clock", "_rings_at", "_soonest", "_timer", "expired")

    def __init__(
        self, clock: IReactorTime, expired: Callable[[], object], *, soonest: float = math.inf
    ):
        self._clock = clock
        self.expired = expired
        self._soonest = soonest
        self._at: float | None = None
        self._rings_at = 0.0
        self._timer: IDelayedCall | None = None

    def set(self, seconds: float) -> None:
        """Move it to *seconds* from now."""
        self._at = at = self._clock.seconds() + seconds
        if self._timer is None:
            self._start(min(seconds, self._soonest))
        elif at < self._rings_at:
            self._timer.cancel()
            self._start(seconds)

    def call_off(self) -> None:
        """Wait for nothing, for now."""
        self._at = None

    def stop(self) -> None:
        """Wait for nothing any more, and leave no timer behind."""
        self._at = None
        # To know its owner any longer would tie both into a knot.
        self.expired = _nothing
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _start(self, seconds: float) -> None:
        self._rings_at = self._clock.seconds() + seconds
        self._timer = self._clock.callLater(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._at is None:
            return
        left = self._at - self._clock.seconds()
        if left > 0:
            self._start(left)
        else:
            self._at = None
            self.expired()


def _nothing() -> None:
    """What the end of a stopped deadline sets off."""
