"""A number that has to be waited for."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.ops.sample import INTERVAL, Sample


class SampleTests(SynchronousTestCase):
    """When it is looked up, and what is known of it."""

    def setUp(self) -> None:
        """Begin to look."""
        self.clock = Clock()
        self.asked: list[Deferred[int]] = []
        self.sample = Sample(self.clock, self.look_up)
        self.sample.startService()

    def look_up(self) -> Deferred[int]:
        """Let it be looked up."""
        self.asked.append(Deferred())
        return self.asked[-1]

    def test_known(self) -> None:
        """It is looked up at once and again and again; in between the last value counts."""
        self.assertIsNone(self.sample.value)
        self.asked.pop().callback(5)
        self.assertEqual((self.sample.value, self.asked), (5, []))
        self.clock.advance(INTERVAL)
        self.assertEqual(self.sample.value, 5)
        self.asked.pop().callback(7)
        self.assertEqual(self.sample.value, 7)

    def test_failed(self) -> None:
        """After a failure nothing is known, until it succeeds again."""
        self.asked.pop().callback(5)
        self.clock.advance(INTERVAL)
        self.asked.pop().errback(OSError("the disk is gone"))
        self.assertIsNone(self.sample.value)
        self.clock.advance(INTERVAL)
        self.asked.pop().callback(7)
        self.assertEqual(self.sample.value, 7)

    def test_hanging(self) -> None:
        """While it hangs it is not asked for once more."""
        self.clock.advance(10 * INTERVAL)
        self.assertEqual(len(self.asked), 1)

    def test_stopped(self) -> None:
        """Once stopped it is not looked up any more, also if it was under way."""
        (hanging,) = self.asked
        self.sample.stopService()
        hanging.callback(5)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.sample.startService()
        self.asked.pop().callback(7)
        self.sample.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_started_again_while_hanging(self) -> None:
        """Started again while it hangs, it is still asked for only once at a time."""
        self.sample.stopService()
        self.sample.startService()
        self.assertEqual(len(self.asked), 1)
        self.asked.pop().callback(5)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
