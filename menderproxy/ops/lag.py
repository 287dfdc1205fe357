"""How late the reactor is with what it has to do: whether anything holds it up."""

from __future__ import annotations

import math
from itertools import accumulate

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from menderproxy.ops.instruments import Steps

INTERVAL = 1.0
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, math.inf)


class EventLoopLag(Service):
    """
    Has itself called every second, and notes by how many seconds that is too late.

    :ivar total: of all delays, in seconds.
    """

    def __init__(self, clock: IReactorTime):
        self.total = 0.0
        self._counts = [0] * len(BOUNDS)
        self._clock = clock
        # Not a LoopingCall: making one installs the default reactor.
        self._call: IDelayedCall | None = None

    def startService(self) -> None:
        """Begin to measure."""
        super().startService()  # type: ignore[no-untyped-call]
        self._wait()

    def stopService(self) -> None:
        """Measure no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._call is not None:
            self._call.cancel()
            self._call = None

    @property
    def steps(self) -> Steps:
        """How many delays were not longer than each bound."""
        return list(zip(BOUNDS, accumulate(self._counts), strict=True))

    def _wait(self) -> None:
        self._call = self._clock.callLater(INTERVAL, self._called, self._clock.seconds() + INTERVAL)

    def _called(self, due: float) -> None:
        # A clock that was put back would have us too early.
        delay = max(0.0, self._clock.seconds() - due)
        self.total += delay
        self._counts[next(index for index, bound in enumerate(BOUNDS) if delay <= bound)] += 1
        self._wait()
