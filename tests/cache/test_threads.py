"""Waiting for work in threads."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.threads import shielded


class ShieldedTests(SynchronousTestCase):
    """Who waits may go away, the work goes on."""

    def setUp(self) -> None:
        """Have work in a thread."""
        self.ends: list[object] = []
        self.work: Deferred[int] = Deferred()
        self.work.addBoth(self.ended)
        self.waiting = shielded(self.work)

    def ended(self, result: int) -> int:
        """Take note that the thread is done."""
        self.ends.append(result)
        return result

    def test_result(self) -> None:
        """Who stays gets the result."""
        self.work.callback(3)
        self.assertEqual(self.successResultOf(self.waiting), 3)

    def test_failure(self) -> None:
        """Who stays gets the failure."""
        self.work.errback(OSError())
        self.failureResultOf(self.waiting, OSError)

    def test_gone(self) -> None:
        """Who goes away doesn't stop the work; its result is for those who clean up."""
        self.waiting.cancel()
        self.failureResultOf(self.waiting, CancelledError)
        self.assertEqual(self.ends, [])
        self.work.callback(3)
        self.assertEqual(self.ends, [3])

    def test_failure_of_gone(self) -> None:
        """Nobody is bothered by a failure that nobody waits for."""
        self.waiting.cancel()
        self.failureResultOf(self.waiting, CancelledError)
        self.work.errback(OSError())
        self.assertEqual(len(self.ends), 1)
