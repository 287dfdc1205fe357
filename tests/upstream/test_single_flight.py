"""Work that several wait for runs once, and belongs to none of them."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.single_flight import SingleFlight


class SingleFlightTests(SynchronousTestCase):
    """Who waits for what."""

    def setUp(self) -> None:
        """Have no work running."""
        self.flight: SingleFlight[str, int] = SingleFlight()
        self.started: list[Deferred[int]] = []

    def ask(self, key: str = "a") -> Deferred[int]:
        """Ask for the work under a key."""

        async def work() -> int:
            ending: Deferred[int] = Deferred()
            self.started.append(ending)
            return await ending

        return Deferred.fromCoroutine(self.flight.run(key, work))

    def test_once_for_all(self) -> None:
        """Whoever asks while the work runs gets its result."""
        asked = [self.ask(), self.ask()]
        self.assertEqual(len(self.started), 1)
        self.started[0].callback(7)
        self.assertEqual([self.successResultOf(each) for each in asked], [7, 7])

    def test_again(self) -> None:
        """Whoever asks after the end gets new work."""
        self.ask()
        self.started[0].callback(7)
        self.assertNoResult(self.ask())
        self.assertEqual(len(self.started), 2)

    def test_keys(self) -> None:
        """Work under another key is other work."""
        self.ask("a")
        self.ask("b")
        self.assertEqual(len(self.started), 2)

    def test_failure(self) -> None:
        """Everybody who waits gets the error."""
        asked = [self.ask(), self.ask()]
        self.started[0].errback(ValueError())
        for each in asked:
            self.failureResultOf(each, ValueError)

    def test_one_goes_away(self) -> None:
        """The first to ask may go away; the work goes on for the others."""
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.started[0].callback(7)
        self.assertEqual(self.successResultOf(second), 7)

    def test_all_go_away(self) -> None:
        """Work that fails with nobody waiting leaves no error behind."""
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.started[0].errback(ValueError())
        self.assertEqual(self.flushLoggedErrors(), [])
