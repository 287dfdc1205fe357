"""How late the reactor is."""

from __future__ import annotations

import math

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.ops.lag import BOUNDS, INTERVAL, EventLoopLag


class EventLoopLagTests(SynchronousTestCase):
    """What is measured."""

    def setUp(self) -> None:
        """Begin to measure."""
        self.clock = Clock()
        self.lag = EventLoopLag(self.clock)
        self.lag.startService()

    def counts(self) -> dict[float, int]:
        """How many delays were not longer than each bound."""
        return dict(self.lag.steps)

    def test_punctual(self) -> None:
        """Who is in time has no delay."""
        self.clock.pump([INTERVAL] * 3)
        self.assertEqual(self.counts(), dict.fromkeys(BOUNDS, 3))
        self.assertEqual(self.lag.total, 0)

    def test_late(self) -> None:
        """A delay counts for all bounds that it does not exceed."""
        self.clock.advance(INTERVAL + 0.1875)
        self.clock.advance(INTERVAL + 2)
        self.assertEqual(
            {bound: self.counts()[bound] for bound in (0.1, 0.25, 1.0, 2.5, math.inf)},
            {0.1: 0, 0.25: 1, 1.0: 1, 2.5: 2, math.inf: 2},
        )
        self.assertEqual(self.lag.total, 2.1875)

    def test_hanging(self) -> None:
        """There is no delay too long to be counted."""
        self.clock.advance(INTERVAL + 3600)
        self.assertEqual((self.counts()[5.0], self.counts()[math.inf]), (0, 1))

    def test_clock_put_back(self) -> None:
        """A clock that is put back makes no delay less than none."""
        (call,) = self.clock.getDelayedCalls()
        self.clock.rightNow -= 100
        call.reset(0)
        self.clock.advance(0)
        self.assertEqual((self.counts()[BOUNDS[0]], self.lag.total), (1, 0))

    def test_stopped(self) -> None:
        """Once stopped it measures no more, until it is started again."""
        self.lag.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.lag.startService()
        self.clock.advance(INTERVAL)
        self.assertEqual(self.counts()[math.inf], 1)
