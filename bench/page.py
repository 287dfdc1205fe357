"""The page that shows results: the goals, a table for each scenario, and plots of what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench.figures import FIGURES
from bench.goals import verdicts
from bench.growth import CURVES
from bench.plot import bars, curves
from bench.results import Results
from bench.scenario import Curve, Scenario
from bench.scenarios import SCENARIOS
from bench.servers.gateway import GATEWAY
from bench.tables import curve_servers, curve_table, goal_table, measured_points, scenario_table

PLOTS = "performance"
"""Name of the directory, beside the page, of its plots and of ``results.json``."""

_HEAD = """\
.. Written by python3 -m bench; change bench/ instead.

Performance
===========

The gateway beside its peers, each in turn on the same processor. A round goes through all scenarios
and, in each, through all servers. A figure is that of the best round, since other work on a machine
only ever adds to it; of bytes over the uplink, and of how many devices were served, it is that of
the worst. The ticks in a plot are all rounds. Only figures of one table should be compared.

``bench/README.rst`` says what is measured, how each server is set up, and why. Each round's figures
are in ``docs/performance/results.json``. To measure it again, as root on Debian 12, without other
work on the machine:

.. code-block:: console

   # apt-get install --no-install-recommends gcc libssl-dev iproute2 nginx-light
   # apt-get install --no-install-recommends varnish trafficserver haproxy
   # .venv/bin/pip install .[bench]
   # .venv/bin/python -m bench
"""
_MARKUP, _ESCAPED = re.compile(r"[\\*`|_<>\[\]]"), r"\\\g<0>"
_GOALS = """
Goals
-----

A ratio, or an amount where nothing is compared with, is good up to the number that it *must be*;
what we are *after* is a smaller one. Growth is compared with fewer devices, or a shorter artifact.
No goal is met where less than 90 % of the devices were served.
"""


def write_page(results: Results, directory: Path) -> None:
    """
    Write ``performance.rst``, and beside it a directory of its plots and ``results.json``.

    :param directory: is created; plots of an earlier run are removed.
    """
    plots = directory / PLOTS
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    results.write(plots / "results.json")
    lines = [*_HEAD.splitlines(), "", *_about(results), *_GOALS.splitlines(), ""]
    lines += [*goal_table(verdicts(results)), ""]
    for name, title, table, images in _sections(results):
        lines += [name, "-" * len(name), "", title, "", *table, ""]
        for alt, image in images.items():
            (plots / f"{_file_name(alt)}.svg").write_text(image)
            lines += [f".. image:: {PLOTS}/{_file_name(alt)}.svg", f"   :alt: {alt}", ""]
    (directory / "performance.rst").write_text("\n".join(lines))


def text(results: Results) -> str:
    """Give all tables of scenarios as text, and what was skipped."""
    lines: list[str] = []
    for name, _, table, _ in _sections(results):
        lines += [name, "", *table, ""]
    return "\n".join([*lines, *results.skipped])


def goals_text(results: Results) -> str:
    """Give the table of the goals of what was measured."""
    judged = [each for each in verdicts(results) if results.servers(each.goal.scenario)]
    return "\n".join(["Goals", "", *goal_table(judged)]) if judged else ""


def _about(results: Results) -> Iterator[str]:
    for name, value in results.about.items():
        yield f":{name}: {value}"
    yield ""
    if results.skipped:
        yield "Not measured:"
        yield ""
        # What a program said may be anything.
        yield from (f"* {_MARKUP.sub(_ESCAPED, line)}" for line in results.skipped)
        yield ""


def _sections(results: Results) -> Iterator[tuple[str, str, list[str], dict[str, str]]]:
    """Give heading, sentence, table and plots of each part."""
    for scenario in SCENARIOS:
        if scenario.curve is None and results.servers(scenario.name):
            table = scenario_table(results, scenario)
            yield _heading(scenario.name), scenario.title, table, _bars(results, scenario)
    for curve in CURVES:
        if points := measured_points(results, curve):
            table = curve_table(results, curve)
            yield _heading(curve.name), points[0].title, table, _curves(results, curve)


def _heading(name: str) -> str:
    return name[0].upper() + name[1:]


def _bars(results: Results, scenario: Scenario) -> dict[str, str]:
    servers = results.servers(scenario.name)
    costs = {server: results.of(scenario.name, server, scenario.cost) for server in servers}
    title = f"{scenario.name}: {FIGURES[scenario.cost].heading}"
    return {title: bars(title, costs, GATEWAY.name)}


def _curves(results: Results, curve: Curve) -> dict[str, str]:
    plots = {}
    for figure in curve.figures:
        lines = {
            server: {
                point.at: values
                for point in measured_points(results, curve)
                if (values := results.of(point.name, server, figure))
            }
            for server in curve_servers(results, curve)
        }
        title = f"{curve.name}: {FIGURES[figure].heading}"
        plots[title] = curves(title, curve.unit, lines, GATEWAY.name)
    return plots


def _file_name(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")
