"""Waiting that can be cut short."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.interruptible import Interruptible, Stopped


class InterruptibleTests(SynchronousTestCase):
    """Waits and naps."""

    def setUp(self) -> None:
        """Have someone who waits."""
        self.clock = Clock()
        self.waits = Interruptible(self.clock)

    def nap(self, seconds: float) -> Deferred[None]:
        """Begin a nap."""
        return Deferred.fromCoroutine(self.waits.nap(seconds))

    def test_nap(self) -> None:
        """A nap lasts as long as it should."""
        napping = self.nap(5)
        self.clock.advance(4.9)
        self.assertNoResult(napping)
        self.clock.advance(0.1)
        self.successResultOf(napping)

    def test_wake(self) -> None:
        """A nap can be ended, and leaves no timer behind."""
        napping = self.nap(5)
        self.waits.wake()
        self.successResultOf(napping)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_wake_nobody(self) -> None:
        """Waking means nothing to who does not sleep, and is not saved up."""
        self.waits.wake()
        napping = self.nap(5)
        self.assertNoResult(napping)
        self.waits.stop()
        self.failureResultOf(napping, Stopped)

    def test_wake_does_not_end_a_wait(self) -> None:
        """Who waits for something goes on waiting."""
        something: Deferred[int] = Deferred()
        waiting = Deferred.fromCoroutine(self.waits.wait_for(something))
        self.waits.wake()
        self.assertNoResult(waiting)
        something.callback(3)
        self.assertEqual(self.successResultOf(waiting), 3)

    def test_stop(self) -> None:
        """A stop ends the wait in progress, and cancels what is waited for."""
        cancelled: list[object] = []
        something: Deferred[int] = Deferred(cancelled.append)
        waiting = Deferred.fromCoroutine(self.waits.wait_for(something))
        self.waits.stop()
        self.failureResultOf(waiting, Stopped)
        self.assertEqual(len(cancelled), 1)

    def test_stopped_before(self) -> None:
        """After a stop nothing is waited for any more."""
        self.waits.stop()
        self.failureResultOf(self.nap(5), Stopped)
        something: Deferred[int] = Deferred()
        self.failureResultOf(Deferred.fromCoroutine(self.waits.wait_for(something)), Stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failure(self) -> None:
        """What goes wrong with the thing waited for is passed on, cancellation by others too."""
        for error in (ValueError(), CancelledError()):
            something: Deferred[int] = Deferred()
            waiting = Deferred.fromCoroutine(self.waits.wait_for(something))
            something.errback(error)
            self.assertIs(self.failureResultOf(waiting).value, error)
