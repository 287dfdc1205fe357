"""What ``python -m bench`` can be told."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from bench.peers import QUICK_SERVERS, SERVERS
from bench.scenario import QUICK, SMALL, Scale, Scenario
from bench.scenarios import QUICK_SCENARIOS, SCENARIOS
from bench.servers import Server

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = Path(__file__).parents[1] / "build" / "bench.json"


class Named(Protocol):
    """What can be chosen by its name."""

    @property
    def name(self) -> str:
        """The name."""


AnyNamed = TypeVar("AnyNamed", bound=Named)


class Options(argparse.Namespace):
    """The options, with their defaults filled in."""

    rounds: int
    quick: bool
    small: bool
    check: bool
    baseline: bool
    growth_large: bool
    servers: list[str]
    scenarios: list[str]
    results: Path | None
    resume: bool
    render: list[Path]
    page: Path | None

    @property
    def scale(self) -> Scale:
        """How much of everything."""
        return QUICK if self.quick else SMALL if self.small else Scale()

    @property
    def chosen_servers(self) -> list[Server]:
        """The servers to measure."""
        return _chosen(QUICK_SERVERS if self.quick else SERVERS, self.servers)

    @property
    def chosen_scenarios(self) -> list[Scenario]:
        """The scenarios to measure."""
        every = _chosen(QUICK_SCENARIOS if self.quick else SCENARIOS, self.scenarios)
        return [scenario for scenario in every if self.growth_large or not scenario.large]


def _chosen(every: Iterable[AnyNamed], texts: Sequence[str]) -> list[AnyNamed]:
    """Choose what one of the texts names, or is part of the name of; everything without any."""
    things = list(every)
    names = {thing.name for thing in things}
    exact, parts = names.intersection(texts), [text for text in texts if text not in names]
    return [
        thing
        for thing in things
        if not texts or thing.name in exact or any(text in thing.name for text in parts)
    ]


def read_options(description: str | None, arguments: Sequence[str] | None) -> Options:
    """
    Read a command line.

    :raises SystemExit: it is wrong, or asks for help.
    """
    parser = _parser(description)
    options = parser.parse_args(arguments, namespace=Options())
    if (options.check or options.baseline) and not options.quick:
        parser.error("the baseline is one of --quick, and compares with nothing else")
    for chosen, what in (
        (options.chosen_servers, "server"),
        (options.chosen_scenarios, "scenario"),
    ):
        if not chosen:
            parser.error(f"no {what} has such a name")
    if options.results is None and not (options.quick or options.small):
        options.results = RESULTS
    if options.resume and options.results is None:
        parser.error("--resume needs --results with --quick and --small")
    if options.rounds is None:
        options.rounds = 2 if options.quick else 3
    part = options.quick or options.small or options.servers or options.scenarios
    if options.page is None and not part:
        options.page = DOCS
    return options


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=description)
    add = parser.add_argument
    add("--rounds", type=int, metavar="N", help="3, or 2 with --quick")
    add("--quick", action="store_true", help="ours and nginx, in a minute or so")
    add("--check", action="store_true", help="fail if we have become slower")
    add("--baseline", action="store_true", help="check against this run next time")
    add("--small", action="store_true", help="so little that figures mean nothing: does it run?")
    add("--growth-large", action="store_true", help="10 GiB, too: 11 GB of disk, 24 of memory")
    text = {"nargs": "+", "default": [], "metavar": "TEXT"}
    add("--servers", help="only those with a TEXT in their name", **text)  # type: ignore[arg-type]
    add("--scenarios", help="likewise", **text)  # type: ignore[arg-type]
    add("--results", type=Path, metavar="FILE", help="where to keep all figures")
    add("--resume", action="store_true", help="add rounds to those in that file")
    add(
        "--render",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="measure nothing: show these results together, where later ones come first",
    )
    add("--page", type=Path, metavar="DIRECTORY", help="where to write performance.rst")
    return parser
