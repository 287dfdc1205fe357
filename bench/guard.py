"""
The guard against getting slower: ratios of our cost to nginx's, beside those of a baseline.

A ratio within one run says the same on a fast machine and on a slow one; a time would not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import attrs

from bench.results import Results
from bench.scenarios import QUICK_SCENARIOS
from bench.servers.gateway import GATEWAY
from bench.servers.nginx import NGINX

BASELINE = Path(__file__).with_name("baseline.json")
TOLERANCE = 1.6
"""How much greater than its baseline a ratio may be: more than a busy machine makes it."""


@attrs.frozen
class Comparison:
    """
    A ratio beside the one of the baseline.

    :param measured: ``None`` if it was not.
    """

    scenario: str
    measured: float | None
    baseline: float

    @property
    def passed(self) -> bool:
        """Whether we are about as fast as we were."""
        return self.measured is not None and self.measured <= self.baseline * TOLERANCE

    def __str__(self) -> str:
        if self.measured is None:
            return f"FAILED {self.scenario}: not measured"
        return (
            f"{'ok' if self.passed else 'FAILED':6} {self.scenario}: {self.measured:.2f} times"
            f" nginx's cost; it was {self.baseline:.2f}, and {self.baseline * TOLERANCE:.2f} is"
            " tolerated"
        )


def ratios(results: Results) -> dict[str, float]:
    """Give our cost divided by nginx's, for each scenario that was measured with both."""
    found = {}
    for scenario in QUICK_SCENARIOS:
        ours = results.one(scenario.name, GATEWAY.name, scenario.cost)
        peer = results.one(scenario.name, NGINX.name, scenario.cost)
        if ours and peer:
            found[scenario.name] = round(ours / peer, 3)
    return found


def compare(measured: Mapping[str, float], baseline: Mapping[str, float]) -> list[Comparison]:
    """Compare all that the baseline has."""
    return [Comparison(name, measured.get(name), before) for name, before in baseline.items()]


def read_baseline() -> dict[str, float]:
    """Read the ratios to compare with."""
    baseline: dict[str, float] = json.loads(BASELINE.read_text("ascii"))
    return baseline


def write_baseline(measured: Mapping[str, float]) -> None:
    """Make these the ratios to compare with from now on."""
    BASELINE.write_text(json.dumps(measured, indent=1) + "\n")
