"""
The guard against getting slower: ratios of our cost to nginx's, beside those of a baseline.

A ratio within one run says the same on a fast machine and on a slow one; a time would not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.results import Results, least
from bench.scenarios import SCENARIOS
from bench.servers.gateway import GATEWAY
from bench.servers.nginx import NGINX

BASELINE = Path(__file__).with_name("baseline.json")
TOLERANCE = 1.6
"""How much greater than its baseline a ratio may be: more than a busy machine makes it."""


def ratios(results: Results) -> dict[str, float]:
    """Give our cost divided by nginx's, for each scenario that was measured with both."""
    found = {}
    for scenario in SCENARIOS:
        ours = results.of(scenario.name, GATEWAY.name, scenario.cost)
        peer = results.of(scenario.name, NGINX.name, scenario.cost)
        if ours and peer:
            found[scenario.name] = round(least(ours) / least(peer), 3)
    return found


def slower(measured: Mapping[str, float], baseline: Mapping[str, float]) -> Iterator[str]:
    """Say what has become slower, or was not measured, a line each."""
    for name, before in baseline.items():
        if name not in measured:
            yield f"{name}: not measured"
        elif measured[name] > before * TOLERANCE:
            yield (
                f"{name}: {measured[name]:.2f} times nginx's cost; it was {before:.2f}, and up to"
                f" {before * TOLERANCE:.2f} is tolerated"
            )


def read_baseline() -> dict[str, float]:
    """Read the ratios to compare with."""
    baseline: dict[str, float] = json.loads(BASELINE.read_text("ascii"))
    return baseline


def write_baseline(measured: Mapping[str, float]) -> None:
    """Make these the ratios to compare with from now on."""
    BASELINE.write_text(json.dumps(measured, indent=1) + "\n")
