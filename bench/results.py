"""What was measured: rows, as a file keeps them, and the figure of all rounds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from bench.figures import FIGURES
from bench.scenario import Figures


@attrs.frozen
class Row:
    """
    One scenario with one server in one round.

    :param figures: what came of it, by name.
    """

    round: int
    scenario: str
    server: str
    figures: Figures


@attrs.frozen
class Results:
    """
    All rows of a run.

    :param about: the machine, the versions and the scale, for people.
    :param skipped: why what is not in the rows is not, a line each.
    """

    about: dict[str, str]
    rows: Sequence[Row]
    skipped: Sequence[str] = ()

    def servers(self, scenario: str) -> list[str]:
        """Give the servers that a scenario was measured with, in their order."""
        return list(dict.fromkeys(row.server for row in self.rows if row.scenario == scenario))

    def of(self, scenario: str, server: str, figure: str) -> list[float]:
        """Give one figure of all rounds."""
        return [
            row.figures[figure]
            for row in self.rows
            if (row.scenario, row.server) == (scenario, server) and figure in row.figures
        ]

    def one(self, scenario: str, server: str, figure: str) -> float | None:
        """Give the one figure that all rounds come to, or nothing if there was none."""
        values = self.of(scenario, server, figure)
        return FIGURES[figure].of_rounds(values) if values else None

    def write(self, path: Path) -> None:
        """Write them as JSON, a line for each row."""
        rows = ",\n".join(json.dumps(attrs.asdict(row)) for row in self.rows)
        about, skipped = json.dumps(self.about, indent=1), json.dumps(self.skipped, indent=1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"about": {about},\n"skipped": {skipped},\n"rows": [\n{rows}\n]}}\n')


def read(path: Path) -> Results:
    """Read what :meth:`Results.write` has written."""
    document = json.loads(path.read_text("utf-8"))
    rows = [Row(**row) for row in document["rows"]]
    return Results(document["about"], rows, document["skipped"])


def merge(runs: Iterable[Results]) -> Results:
    """
    Make one of several runs.

    What a later run measured takes the place of what earlier ones say of the same scenario with the
    same server: figures of a program that has changed since say nothing of it now.
    """
    about: dict[str, list[str]] = {}
    rows: list[Row] = []
    skipped: list[str] = []
    for run in runs:
        for name, value in run.about.items():
            about.setdefault(name, []).append(value)
        measured = {(row.scenario, row.server) for row in run.rows}
        rows = [row for row in rows if (row.scenario, row.server) not in measured]
        rows += run.rows
        skipped += run.skipped
    joined = {name: "; ".join(dict.fromkeys(values)) for name, values in about.items()}
    return Results(joined, rows, list(dict.fromkeys(skipped)))
