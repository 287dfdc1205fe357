"""Tests of who is measured when."""

from __future__ import annotations

import sys

import attrs
from twisted.trial.unittest import SynchronousTestCase

from bench.peers import SERVERS
from bench.rounds import wanted
from bench.scenarios import SCENARIOS


def measured(name: str, everybody: bool) -> list[str]:
    """Give the names of the servers that a scenario is measured with, if all are installed."""
    [scenario] = [scenario for scenario in SCENARIOS if scenario.name == name]
    installed = [attrs.evolve(server, program=sys.executable) for server in SERVERS]
    return [server.name for server in installed if wanted(scenario, server, everybody)]


class WantedTests(SynchronousTestCase):
    """Which servers a scenario is measured with."""

    def test_first_round(self) -> None:
        """At first all are measured that can do what is asked."""
        self.assertEqual(
            measured("warm, TLS", everybody=True),
            ["menderproxy", "nginx", "nginx, long lock", "nginx, slices", "trafficserver"],
        )
        self.assertEqual(
            measured("new connections, mutual TLS", everybody=True),
            ["menderproxy", "nginx", "trafficserver", "haproxy", "caddy"],
        )

    def test_later_rounds(self) -> None:
        """Later only those are that a goal compares with, and nginx, as all tables do."""
        self.assertEqual(
            measured("kept connection, TLS", everybody=False), ["menderproxy", "nginx", "caddy"]
        )

    def test_steady(self) -> None:
        """Nor is nginx, where it takes long and its cost is not the question."""
        self.assertEqual(
            measured("cold, plain", everybody=False),
            ["menderproxy", "nginx, slices", "varnish", "trafficserver"],
        )
        self.assertEqual(measured("late, TLS", everybody=False), ["menderproxy"])

    def test_only(self) -> None:
        """A scenario may be for some servers only."""
        self.assertEqual(measured("growth, slow devices, 5000", everybody=True), ["menderproxy"])

    def test_not_installed(self) -> None:
        """What is not installed is not measured."""
        [scenario] = [scenario for scenario in SCENARIOS if scenario.name == "warm, TLS"]
        missing = attrs.evolve(SERVERS[1], program="no-such-program")
        self.assertFalse(wanted(scenario, missing, everybody=True))
