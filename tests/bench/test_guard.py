"""Tests of the guard against getting slower."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.guard import compare, ratios, read_baseline
from bench.results import Results
from bench.scenarios import QUICK_SCENARIOS
from tests.bench.rows import row


class GuardTests(SynchronousTestCase):
    """Ratios beside those of the baseline."""

    def test_ratios(self) -> None:
        """A ratio is of our best round to nginx's; what only one was measured with has none."""
        rows = [
            row("warm, TLS", cpu_gib=3.0),
            row("warm, TLS", number=2, cpu_gib=2.0),
            row("warm, TLS", "nginx", cpu_gib=1.0),
            row("warm, plain", cpu_gib=1.0),
        ]
        self.assertEqual(ratios(Results({}, rows)), {"warm, TLS": 2.0})

    def test_tolerance(self) -> None:
        """A ratio may be 1.6 times its baseline, and no greater; the line says so."""
        for measured, passed in ((0.5, True), (1.6, True), (1.61, False)):
            [comparison] = compare({"warm, TLS": measured}, {"warm, TLS": 1.0})
            self.assertIs(comparison.passed, passed)
            self.assertEqual(str(comparison).startswith("FAILED"), not passed)
            self.assertIn(f"warm, TLS: {measured:.2f} times", str(comparison))

    def test_not_measured(self) -> None:
        """What the baseline has and the run has not fails."""
        [comparison] = compare({}, {"warm, TLS": 1.0})
        self.assertFalse(comparison.passed)
        self.assertEqual(str(comparison), "FAILED warm, TLS: not measured")

    def test_baseline(self) -> None:
        """The baseline has a ratio of each scenario that the guard measures."""
        self.assertEqual(set(read_baseline()), {scenario.name for scenario in QUICK_SCENARIOS})
