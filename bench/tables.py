"""The tables of results, in reStructuredText's simple form, which can be read as it is, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bench.figures import FIGURES
from bench.goals import Verdict
from bench.results import Results
from bench.scenario import Curve, Scenario
from bench.scenarios import SCENARIOS
from bench.servers.nginx import NGINX

_NOTHING = "\N{EN DASH}"


def scenario_table(results: Results, scenario: Scenario) -> list[str]:
    """Give a row for each server."""
    servers = results.servers(scenario.name)
    names = _measured(results, [scenario])
    head = ["Server", *(FIGURES[name].heading for name in names), "to nginx"]
    rows = [
        [server, *_figures(results, scenario, server, names), _ratio(results, scenario, server)]
        for server in servers
    ]
    return _table([head, *rows])


def curve_table(results: Results, curve: Curve) -> list[str]:
    """Give a row for each server and point."""
    points = measured_points(results, curve)
    names = _measured(results, points)
    head = ["Server", curve.unit.capitalize() if curve.unit.islower() else curve.unit]
    rows = [
        [server, f"{point.at:g}", *_figures(results, point, server, names)]
        for server in curve_servers(results, curve)
        for point in points
        if server in results.servers(point.name)
    ]
    return _table([[*head, *(FIGURES[name].heading for name in names)], *rows])


def goal_table(verdicts: Iterable[Verdict]) -> list[str]:
    """Give a row for each goal."""
    head = ["Scenario", "Figure", "Ours", "Compared with", "Theirs", "Ratio"]
    return _table([[*head, "Must be", "Held", "After", "Reached"], *map(_goal, verdicts)])


def measured_points(results: Results, curve: Curve) -> list[Scenario]:
    """Give the points of a curve that there are figures of."""
    points = [scenario for scenario in SCENARIOS if scenario.curve == curve]
    return [point for point in points if results.servers(point.name)]


def curve_servers(results: Results, curve: Curve) -> list[str]:
    """Give the servers that any point of a curve was measured with."""
    points = measured_points(results, curve)
    servers = [server for point in points for server in results.servers(point.name)]
    return list(dict.fromkeys(servers))


def _measured(results: Results, scenarios: Sequence[Scenario]) -> list[str]:
    """Give the figures that there are of any server in any of the scenarios, in their order."""
    names = {scenario.name for scenario in scenarios}
    found = {name for row in results.rows if row.scenario in names for name in row.figures}
    return [name for name in FIGURES if name in found]


def _figures(
    results: Results, scenario: Scenario, server: str, names: Iterable[str]
) -> Iterable[str]:
    for name in names:
        yield _cell(results.one(scenario.name, server, name), FIGURES[name].shown)


def _ratio(results: Results, scenario: Scenario, server: str) -> str:
    cost = results.one(scenario.name, server, scenario.cost)
    peer = results.one(scenario.name, NGINX.name, scenario.cost)
    return _cell(cost / peer if cost is not None and peer else None, "{:.2f}".format)


def _goal(verdict: Verdict) -> list[str]:
    goal, figure = verdict.goal, FIGURES[verdict.goal.figure]
    return [
        goal.scenario,
        figure.heading,
        _cell(verdict.ours, figure.shown),
        goal.reference or _NOTHING,
        _cell(verdict.theirs, figure.shown),
        _cell(verdict.ratio if goal.reference else None, "{:.2f}".format),
        _cell(goal.must, "{:g}".format),
        _word(verdict.held, goal.must),
        _cell(goal.after, "{:g}".format),
        _word(verdict.reached, goal.after),
    ]


def _word(met: bool | None, bound: float | None) -> str:
    if bound is None:
        return _NOTHING
    return "not measured" if met is None else "yes" if met else "**no**"


def _cell(value: float | None, shown: Callable[[float], str]) -> str:
    return _NOTHING if value is None else shown(value)


def _table(cells: Sequence[Sequence[str]]) -> list[str]:
    """Make columns as wide as the widest of their cells."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    rule = "  ".join("=" * width for width in widths)
    return [rule, lines[0], rule, *lines[1:], rule]
