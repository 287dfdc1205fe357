"""One timer that stands for many deadlines."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.transport.deadline import Deadline


class DeadlineTests(SynchronousTestCase):
    """It expires when it was set to last, and once."""

    def setUp(self) -> None:
        """Make one."""
        self.clock = Clock()
        self.expired: list[float] = []
        self.deadline = Deadline(self.clock, lambda: self.expired.append(self.clock.seconds()))

    def pass_time(self, seconds: int) -> None:
        """Let time pass in small steps."""
        self.clock.pump([1] * seconds)

    def test_expires(self) -> None:
        """It expires in time, and no second time."""
        self.deadline.set(10)
        self.pass_time(30)
        self.assertEqual(self.expired, [10])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_later(self) -> None:
        """It can be moved away, and the reactor has no work with that."""
        self.deadline.set(10)
        (timer,) = self.clock.getDelayedCalls()
        for _ in range(9):
            self.pass_time(1)
            self.deadline.set(10)
            self.assertEqual(self.clock.getDelayedCalls(), [timer])
        self.pass_time(30)
        self.assertEqual(self.expired, [19])

    def test_sooner(self) -> None:
        """It can be moved nearer."""
        self.deadline.set(60)
        self.pass_time(5)
        self.deadline.set(10)
        self.pass_time(60)
        self.assertEqual(self.expired, [15])

    def test_called_off(self) -> None:
        """It can be called off, and set again."""
        self.deadline.set(10)
        self.deadline.call_off()
        self.pass_time(30)
        self.assertEqual(self.expired, [])
        self.deadline.set(10)
        self.pass_time(30)
        self.assertEqual(self.expired, [40])

    def test_called_off_and_set(self) -> None:
        """What was called off does not come back with the next one."""
        self.deadline.set(10)
        self.pass_time(5)
        self.deadline.call_off()
        self.deadline.set(20)
        self.pass_time(60)
        self.assertEqual(self.expired, [25])

    def test_stopped(self) -> None:
        """Nothing is left of one that is stopped; it may be stopped again."""
        self.deadline.set(10)
        self.deadline.stop()
        self.deadline.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.pass_time(30)
        self.assertEqual(self.expired, [])

    def test_forgets(self) -> None:
        """One that is stopped sets off nothing, even if it is set again."""
        self.deadline.stop()
        self.deadline.set(10)
        self.pass_time(30)
        self.assertEqual(self.expired, [])

    def test_soonest(self) -> None:
        """With an early first timer a nearer deadline needs no other one."""
        deadline = Deadline(
            self.clock, lambda: self.expired.append(self.clock.seconds()), soonest=5
        )
        deadline.set(60)
        timers = list(self.clock.getDelayedCalls())
        self.pass_time(1)
        deadline.set(5)
        self.assertEqual(self.clock.getDelayedCalls(), timers)
        self.pass_time(10)
        self.assertEqual(self.expired, [6])
        deadline.set(60)
        self.pass_time(59)
        self.assertEqual(self.expired, [6])
        self.pass_time(1)
        self.assertEqual(self.expired, [6, 71])

    def test_set_when_it_expires(self) -> None:
        """It may be set anew by what it sets off."""

        def again() -> None:
            self.expired.append(self.clock.seconds())
            deadline.set(5)

        deadline = Deadline(self.clock, again)
        deadline.set(5)
        self.pass_time(12)
        self.assertEqual(self.expired, [5, 10])
        deadline.stop()
