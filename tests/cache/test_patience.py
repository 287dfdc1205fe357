"""How the pauses between tries grow."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.patience import Backoff, Patience

PATIENCE = Patience(first_retry=1, longest_retry=10, longest_asked=100)


def backoff(jitter: float = 1.0) -> Backoff:
    """One with a known jitter."""
    return Backoff(PATIENCE, lambda: jitter)


class BackoffTests(SynchronousTestCase):
    """Pauses."""

    def test_growth(self) -> None:
        """Each fruitless try doubles the pause, up to a limit."""
        growing = backoff()
        self.assertEqual([growing.pause() for _ in range(6)], [1, 2, 4, 8, 10, 10])

    def test_no_overflow(self) -> None:
        """A store that is away for a year does no harm."""
        growing = backoff()
        self.assertEqual({growing.pause() for _ in range(5000)}, {1, 2, 4, 8, 10})

    def test_progress(self) -> None:
        """After progress the pauses start small again."""
        growing = backoff()
        for _ in range(5):
            growing.pause()
        growing.progress()
        self.assertEqual(growing.pause(), 1)

    def test_jitter(self) -> None:
        """Gateways that lost the same store come back anywhere in the pause's second half."""
        self.assertEqual(backoff(0.0).pause(), 0.5)
        self.assertEqual(backoff(0.5).pause(), 0.75)

    def test_asked(self) -> None:
        """A store's own wish is honoured, if it is longer, up to a limit."""
        self.assertEqual(backoff().pause(50), 50)
        self.assertEqual(backoff().pause(0.1), 1)
        self.assertEqual(backoff().pause(1e9), 100)
