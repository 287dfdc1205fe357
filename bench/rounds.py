"""The rounds: each goes through all scenarios, and in each through all servers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from subprocess import SubprocessError

from bench.goals import rivals
from bench.laboratory import Laboratory, NotServing
from bench.options import Options
from bench.results import Row
from bench.scenario import Scenario
from bench.servers import Server
from bench.servers.gateway import GATEWAY
from bench.servers.nginx import NGINX

_LONGEST = 300


def measure(place: Laboratory, options: Options, first: int, skipped: list[str]) -> Iterator[Row]:
    """
    Measure, and give each row as soon as it is there.

    :param first: number of the first round.
    :param skipped: gets a line for each measurement that failed.
    """
    for number in range(first, first + options.rounds):
        for scenario in options.chosen_scenarios:
            for server in options.chosen_servers:
                if not wanted(scenario, server, number == 1 or bool(options.servers)):
                    continue
                print(f"round {number}, {scenario.name}: {server.name}", file=sys.stderr)
                try:
                    with place.serving(server, scenario.kind) as running:
                        place.origin.forget()
                        figures = scenario.measure(running, options.scale)
                except (NotServing, RuntimeError, OSError, SubprocessError) as error:
                    why = " ".join(str(error).split())[:_LONGEST]
                    skipped.append(f"{scenario.name}, round {number}: {server.name}: {why}")
                    print(skipped[-1], file=sys.stderr)
                    continue
                finally:
                    place.network.widen()
                yield Row(number, scenario.name, server.name, figures)


def wanted(scenario: Scenario, server: Server, everybody: bool) -> bool:
    """
    Whether a scenario is measured with a server.

    :param everybody: with those, too, that no goal compares with.
    """
    if not server.path or scenario.kind not in (
        server.artifacts if scenario.artifact else server.api
    ):
        return False
    if scenario.only and server.name not in scenario.only:
        return False
    always = {GATEWAY.name} if scenario.steady else {GATEWAY.name, NGINX.name}
    return everybody or server.name in always | rivals(scenario.name)
