"""The page that shows results: a table for each scenario, and a plot of what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench.plot import bars
from bench.results import Results, least
from bench.scenarios import SCENARIOS, Scenario
from bench.servers.gateway import GATEWAY
from bench.servers.nginx import NGINX

_FIGURES = {
    "done": ("Done", "%"),
    "uplink": ("Uplink, artifacts", ""),
    "uplink_requests": ("Uplink, requests", ""),
    "first_p50": ("First byte p50", "s"),
    "first_p99": ("First byte p99", "s"),
    "last": ("Last byte, uplink times", ""),
    "last_early": ("First device, uplink times", ""),
    "cpu_gib": ("CPU", "s/GiB"),
    "cpu_request": ("CPU", "ms/request"),
    "p50": ("p50", "ms"),
    "p99": ("p99", "ms"),
    "device_kib": ("Memory a device", "KiB"),
    "anonymous": ("Memory", "MiB"),
    "tcp": ("Kernel TCP", "MiB"),
    "steady_cpu": ("CPU, steady", "%"),
    "ramp_cpu": ("CPU in all", "s"),
    "loader": ("Devices' CPU", "%"),
}
_PERCENT = ("done", "loader")

_HEAD = """\
:orphan:

.. Written by python3 -m bench; change bench/ instead.

Performance
===========

The gateway beside its peers, each in turn on the same processor. ``bench/README.rst`` says what is
measured and how to measure it again; ``results.json`` has every round. Only figures of one table
should be compared. A figure is that of the best round, since other work on a machine only ever adds
to it; the ticks in a plot are all rounds.

"""


def write_page(results: Results, directory: Path) -> None:
    """
    Write ``index.rst``, its plots and ``results.json``.

    :param directory: is created; plots of an earlier run are overwritten.
    """
    directory.mkdir(parents=True, exist_ok=True)
    results.write(directory / "results.json")
    sections = [_HEAD, *_about(results)]
    for scenario in SCENARIOS:
        if results.servers(scenario.name):
            sections += _section(results, scenario)
            plot = bars(_axis(scenario), _costs(results, scenario), GATEWAY.name)
            (directory / _plot_name(scenario)).write_text(plot)
    (directory / "index.rst").write_text("\n".join(sections) + "\n")


def tables(results: Results) -> str:
    """Give all tables as text."""
    lines: list[str] = []
    for scenario in SCENARIOS:
        if results.servers(scenario.name):
            lines += [scenario.name, "", *_table(results, scenario), ""]
    return "\n".join(lines)


def _about(results: Results) -> Iterator[str]:
    for name, value in results.about.items():
        yield f":{name}: {value}"
    yield ""
    if results.skipped:
        yield "Not measured:\n"
        yield from (f"* {line}" for line in results.skipped)
        yield ""


def _section(results: Results, scenario: Scenario) -> Iterator[str]:
    heading = scenario.name[0].upper() + scenario.name[1:]
    yield from (heading, "-" * len(heading), "", scenario.title, "")
    yield from _table(results, scenario)
    yield from ("", f".. image:: {_plot_name(scenario)}", f"   :alt: {_axis(scenario)}", "")


def _table(results: Results, scenario: Scenario) -> list[str]:
    """Make a table in reST's simple form: columns as wide as the widest of their cells."""
    servers = results.servers(scenario.name)
    names = [name for name in _FIGURES if results.of(scenario.name, servers[0], name)]
    cells = [["Server", *map(_column, names), "to nginx"]]
    for server in servers:
        figures = (_cell(name, results.of(scenario.name, server, name)) for name in names)
        cells.append([server, *figures, _ratio(results, scenario, server)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    rule = "  ".join("=" * width for width in widths)
    return [rule, lines[0], rule, *lines[1:], rule]


def _column(name: str) -> str:
    title, unit = _FIGURES[name]
    return f"{title}, {unit}" if unit else title


def _cell(name: str, values: list[float]) -> str:
    if not values:
        return "\N{EN DASH}"
    value = least(values)
    return f"{value * 100:.0f}" if name in _PERCENT else _short(value)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(results: Results, scenario: Scenario, server: str) -> str:
    peer = results.of(scenario.name, NGINX.name, scenario.cost)
    if not peer or not least(peer):
        return "\N{EN DASH}"
    return f"{least(results.of(scenario.name, server, scenario.cost)) / least(peer):.2f}"


def _costs(results: Results, scenario: Scenario) -> dict[str, list[float]]:
    servers = results.servers(scenario.name)
    return {server: results.of(scenario.name, server, scenario.cost) for server in servers}


def _axis(scenario: Scenario) -> str:
    return f"{scenario.name}: {_column(scenario.cost)}"


def _plot_name(scenario: Scenario) -> str:
    return re.sub(r"\W+", "-", scenario.name.lower()) + ".svg"
