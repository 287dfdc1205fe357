"""Counting by being called."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.ops.tally import Tally


class TallyTests(SynchronousTestCase):
    """What it counts."""

    def test_counts(self) -> None:
        """Each call counts one thing; what never happened is zero."""
        tally = Tally[str]()
        for what in ("rain", "snow", "rain"):
            tally(what)
        self.assertEqual((tally["rain"], tally["snow"], tally["hail"]), (2, 1, 0))
