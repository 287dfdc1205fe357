"""What was measured: rows, as a file keeps them, and the best of all rounds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from bench.scenarios import Figures


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

    def write(self, path: Path) -> None:
        """Write them as JSON, a line for each row."""
        rows = ",\n".join(json.dumps(attrs.asdict(row)) for row in self.rows)
        about, skipped = json.dumps(self.about, indent=1), json.dumps(self.skipped, indent=1)
        path.write_text(f'{{"about": {about},\n"skipped": {skipped},\n"rows": [\n{rows}\n]}}\n')


def read(path: Path) -> Results:
    """Read what :meth:`Results.write` has written."""
    document = json.loads(path.read_text("utf-8"))
    rows = [Row(**row) for row in document["rows"]]
    return Results(document["about"], rows, document["skipped"])


def least(values: Iterable[float]) -> float:
    """
    Give the figure of the quietest round.

    Other work on the machine makes all figures of cost greater, and none smaller.
    """
    return min(values)
