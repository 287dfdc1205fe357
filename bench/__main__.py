"""
Measure the gateway beside its peers: ``python -m bench``, as root.

Each round goes through all scenarios, and in each through all servers, so that what else happens on
the machine hits all of them.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.devices import ToolMissing
from bench.guard import ratios, read_baseline, slower, write_baseline
from bench.laboratory import Laboratory, NotServing, laboratory
from bench.page import tables, write_page
from bench.results import Results, Row
from bench.scenarios import QUICK, QUICK_SCENARIOS, SCENARIOS, Scale, Scenario
from bench.servers import Server
from bench.servers.caddy import CADDY
from bench.servers.gateway import GATEWAY
from bench.servers.haproxy import HAPROXY
from bench.servers.nginx import NGINX, NGINX_LOCK, NGINX_SLICE
from bench.servers.trafficserver import TRAFFICSERVER
from bench.servers.varnish import VARNISH
from menderproxy import __version__

SERVERS = (GATEWAY, NGINX, NGINX_LOCK, NGINX_SLICE, VARNISH, TRAFFICSERVER, HAPROXY, CADDY)
QUICK_SERVERS = (GATEWAY, NGINX)
_TOOLS = ("ip", "tc", "ss", "setpriv", "taskset", "gcc", "nginx")
_PAGE = Path(__file__).parents[1] / "docs" / "performance"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what was measured; the exit status is 1 if a check fails."""
    options = _options(arguments)
    scale = QUICK if options.quick else Scale()
    servers = [server for server in _servers(options) if server.path]
    skipped = [
        f"{server.name}: {server.program} is not installed"
        for server in _servers(options)
        if not server.path
    ]
    try:
        _check_tools()
        with laboratory(scale.length) as place:
            rows = list(
                measure(place, _scenarios(options), servers, scale, options.rounds, skipped)
            )
    except (ToolMissing, PermissionError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    results = Results(_about(scale, options.rounds), rows, skipped)
    print(tables(results))
    print(*skipped, sep="\n")
    if options.page:
        write_page(results, options.page)
    if options.baseline:
        write_baseline(ratios(results))
    return _check(results) if options.check else 0


def measure(
    place: Laboratory,
    scenarios: Sequence[Scenario],
    servers: Sequence[Server],
    scale: Scale,
    rounds: int,
    skipped: list[str],
) -> Iterator[Row]:
    """
    Measure, and give each row as soon as it is there.

    :param skipped: gets a line for each measurement that failed.
    """
    for number in range(1, rounds + 1):
        for scenario in scenarios:
            for server in servers:
                if scenario.kind not in (server.artifacts if scenario.artifact else server.api):
                    continue
                print(f"{number}/{rounds} {scenario.name}: {server.name}", file=sys.stderr)
                try:
                    with place.serving(server, scenario.kind) as running:
                        place.origin.forget()
                        figures = scenario.measure(running, scale)
                except (NotServing, RuntimeError) as error:
                    skipped.append(f"{scenario.name}, round {number}: {server.name}: {error}")
                    continue
                finally:
                    place.network.widen()
                yield Row(number, scenario.name, server.name, figures)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="3, or 2 with --quick")
    parser.add_argument("--quick", action="store_true", help="ours and nginx, a minute or so")
    parser.add_argument("--check", action="store_true", help="fail if we have become slower")
    parser.add_argument("--baseline", action="store_true", help="check against this run next time")
    parser.add_argument("--servers", metavar="TEXT", help="only those with TEXT in their name")
    parser.add_argument("--scenarios", metavar="TEXT", help="likewise")
    parser.add_argument(
        "--page",
        type=Path,
        metavar="DIRECTORY",
        help="where to write it",
    )
    options = parser.parse_args(arguments)
    if (options.check or options.baseline) and not options.quick:
        parser.error("the baseline is one of --quick, and compares with nothing else")
    if options.rounds is None:
        options.rounds = 2 if options.quick else 3
    if options.page is None and not (options.quick or options.servers or options.scenarios):
        options.page = _PAGE
    return options


def _servers(options: argparse.Namespace) -> list[Server]:
    every = QUICK_SERVERS if options.quick else SERVERS
    return [server for server in every if (options.servers or "") in server.name]


def _scenarios(options: argparse.Namespace) -> list[Scenario]:
    every = QUICK_SCENARIOS if options.quick else SCENARIOS
    return [scenario for scenario in every if (options.scenarios or "") in scenario.name]


def _check_tools() -> None:
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise ToolMissing(f"not installed: {', '.join(missing)}")


def _check(results: Results) -> int:
    lines = list(slower(ratios(results), read_baseline()))
    print(*lines, sep="\n")
    return 1 if lines else 0


def _about(scale: Scale, rounds: int) -> dict[str, str]:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "Version": __version__,
        "Date": datetime.date.today().isoformat(),
        "Machine": f"{os.cpu_count()} processors, {platform.machine()}, Linux {platform.release()}",
        "Load at the end": load,
        "Python": platform.python_version(),
        "Rounds": str(rounds),
        "Artifact": f"{scale.mebibytes} MiB, over {scale.megabits:g} Mbit/s where it is cold",
    }


if __name__ == "__main__":
    sys.exit(main())
