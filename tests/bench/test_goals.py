"""Tests of the goals and their verdicts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.figures import FIGURES
from bench.goals import GOALS, rivals, verdicts
from bench.peers import SERVERS
from bench.results import Results, Row
from bench.scenarios import SCENARIOS
from tests.bench.rows import row


def verdict(rows: list[Row], scenario: str, figure: str, reference: str = "") -> tuple[object, ...]:
    """Give the ratio of one goal, and whether it is held and reached."""
    [found] = [
        each
        for each in verdicts(Results({}, rows))
        if (each.goal.scenario, each.goal.figure) == (scenario, figure)
        and each.goal.reference == reference
    ]
    return found.ratio, found.held, found.reached


class GoalTests(SynchronousTestCase):
    """The goals themselves."""

    def test_names(self) -> None:
        """Each goal is of a scenario, a figure and a server that are measured."""
        scenarios = {scenario.name for scenario in SCENARIOS}
        servers = {server.name for server in SERVERS}
        for goal in GOALS:
            self.assertIn(goal.scenario, scenarios)
            self.assertIn(goal.figure, FIGURES)
            self.assertIn(goal.base or goal.scenario, scenarios)
            self.assertIn(goal.peer or "menderproxy", servers)

    def test_peers_can(self) -> None:
        """Each peer of a goal can do what is compared."""
        by_name = {scenario.name: scenario for scenario in SCENARIOS}
        for goal in GOALS:
            scenario = by_name[goal.scenario]
            for server in SERVERS:
                if server.name == goal.peer:
                    kinds = server.artifacts if scenario.artifact else server.api
                    self.assertIn(scenario.kind, kinds, goal)

    def test_rivals(self) -> None:
        """A scenario's rivals are the peers of its goals, and of no others."""
        self.assertEqual(rivals("warm, TLS"), {"nginx", "trafficserver"})
        self.assertEqual(rivals("late, TLS"), set())


class VerdictTests(SynchronousTestCase):
    """What comes of a goal."""

    def test_ratio(self) -> None:
        """A ratio is that of the best rounds; it may be held, and not be what we are after."""
        rows = [
            row("warm, TLS", cpu_gib=9.0),
            row("warm, TLS", cpu_gib=1.2, number=2),
            row("warm, TLS", "nginx", cpu_gib=1.0),
            row("warm, TLS", "nginx", cpu_gib=5.0, number=2),
        ]
        self.assertEqual(verdict(rows, "warm, TLS", "cpu_gib", "nginx"), (1.2, True, False))

    def test_bound(self) -> None:
        """What is as great as it may be is good; what is greater is not."""
        peer = row("warm, TLS", "nginx", cpu_gib=1.0)
        for ours, expected in ((1.25, True), (1.26, False)):
            rows = [row("warm, TLS", cpu_gib=ours), peer]
            self.assertIs(verdict(rows, "warm, TLS", "cpu_gib", "nginx")[1], expected)

    def test_amount(self) -> None:
        """Without a peer, the figure itself is judged."""
        rows = [row("idle, TLS", rss=50.0)]
        self.assertEqual(verdict(rows, "idle, TLS", "rss"), (50.0, True, False))

    def test_worst_round(self) -> None:
        """One round that took an artifact over the uplink twice is enough to miss that goal."""
        rows = [row("cold, TLS", uplink=1.0), row("cold, TLS", uplink=2.0, number=2)]
        self.assertEqual(verdict(rows, "cold, TLS", "uplink"), (2.0, False, None))

    def test_growth(self) -> None:
        """Growth is compared with ourselves, at another number."""
        rows = [
            row("growth, devices, 1000", cpu_device=2.0),
            row("growth, devices, 5000", cpu_device=3.0),
        ]
        found = verdict(rows, "growth, devices, 5000", "cpu_device", "growth, devices, 1000")
        self.assertEqual(found, (1.5, False, None))

    def test_unserved(self) -> None:
        """Who serves few of the devices meets no goal, however little memory that took."""
        rows = [row("slow, TLS", device_kib=1.0, done=0.89)]
        self.assertEqual(verdict(rows, "slow, TLS", "device_kib"), (1.0, False, False))
        rows = [row("slow, TLS", device_kib=1.0, done=0.9)]
        self.assertEqual(verdict(rows, "slow, TLS", "device_kib"), (1.0, True, True))

    def test_not_measured(self) -> None:
        """Without our figure, or the peer's, there is no verdict."""
        for server in ("menderproxy", "nginx"):
            rows = [row("warm, TLS", server, cpu_gib=1.0)]
            found = verdict(rows, "warm, TLS", "cpu_gib", "nginx")
            self.assertEqual(found, (None, None, None))
