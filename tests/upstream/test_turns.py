"""Turns are taken in order, a few at once, and never lost."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.turns import Turns


class TurnsTests(SynchronousTestCase):
    """Two turns at once."""

    def setUp(self) -> None:
        """Take both, and wait for two more."""
        self.turns = Turns(2)
        for turn in (self.turns.take(), self.turns.take()):
            self.successResultOf(turn)
        self.third, self.fourth = self.turns.take(), self.turns.take()

    def test_waiting(self) -> None:
        """Whoever comes when all turns are taken has to wait."""
        self.assertNoResult(self.third)
        self.assertEqual(self.turns.waiting, 2)

    def test_order(self) -> None:
        """A turn that is given back goes to whoever waits longest."""
        self.turns.give_back()
        self.successResultOf(self.third)
        self.assertNoResult(self.fourth)
        self.assertEqual(self.turns.waiting, 1)

    def test_kept(self) -> None:
        """A turn that nobody waits for is there for the next."""
        for _ in range(3):
            self.turns.give_back()
        self.successResultOf(self.turns.take())
        self.assertNoResult(self.turns.take())

    def test_cancelled(self) -> None:
        """Whoever goes away while waiting gets no turn."""
        self.third.cancel()
        self.failureResultOf(self.third, CancelledError)
        self.turns.give_back()
        self.successResultOf(self.fourth)

    def test_given_back_at_once(self) -> None:
        """Any number may give their turn back as soon as they have it."""
        ended: list[int] = []

        async def work(number: int) -> None:
            await self.turns.take()
            ended.append(number)
            self.turns.give_back()

        for number in range(10_000):
            Deferred.fromCoroutine(work(number))
        for _ in range(4):
            self.turns.give_back()
        self.assertEqual(ended, list(range(10_000)))

    def test_free(self) -> None:
        """A turn that is free can be had without waiting, but not before those who wait."""
        turns = Turns(2)
        self.assertEqual([turns.take_free() for _ in range(3)], [True, True, False])
        self.assertEqual(turns.taken, 2)
        jumped: list[bool] = []
        first, second = turns.take(), turns.take()
        first.addCallback(lambda _: turns.give_back())
        first.addCallback(lambda _: jumped.append(turns.take_free()))
        turns.give_back()
        self.successResultOf(second)
        self.assertEqual((jumped, turns.taken), ([False], 2))
