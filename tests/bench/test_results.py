"""Tests of results: files, rounds, and several runs together."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.results import Results, merge, read
from tests.bench.rows import row


class ResultsTests(SynchronousTestCase):
    """The rows of one run."""

    def test_file(self) -> None:
        """What is written can be read, and has a line for each row."""
        rows = [row("warm, TLS", cpu_gib=1.5), row("warm, TLS", "nginx", cpu_gib=1.0)]
        results = Results({"Date": "today"}, rows, ["caddy: is not installed"])
        path = Path(self.mktemp()) / "below" / "results.json"
        results.write(path)
        self.assertEqual(read(path), results)
        lines = path.read_text("utf-8").splitlines()
        self.assertEqual([line.count('"round"') for line in lines if "round" in line], [1, 1])

    def test_rounds(self) -> None:
        """The least cost counts, and the worst of what says whether all went well."""
        rows = [
            row("cold, TLS", cpu_gib=2.0, uplink=1.0, done=1.0),
            row("cold, TLS", number=2, cpu_gib=1.0, uplink=3.0, done=0.5),
        ]
        results = Results({}, rows)
        for figure, expected in (("cpu_gib", 1.0), ("uplink", 3.0), ("done", 0.5), ("last", None)):
            self.assertEqual(results.one("cold, TLS", "menderproxy", figure), expected, figure)


class MergeTests(SynchronousTestCase):
    """Several runs as one."""

    def test_later_takes_the_place(self) -> None:
        """A later run's rows replace those of the same scenario and server, and no others."""
        peer, other = row("warm, TLS", "nginx", cpu_gib=1.0), row("cold, TLS", cpu_gib=3.0)
        earlier = Results({}, [row("warm, TLS", cpu_gib=0.5), peer, other])
        again = [row("warm, TLS", cpu_gib=2.0), row("warm, TLS", number=2, cpu_gib=1.9)]
        merged = merge([earlier, Results({}, again)])
        self.assertEqual(merged.rows, [peer, other, *again])

    def test_about(self) -> None:
        """What differs between the runs is told of all of them, what doesn't once."""
        runs = [
            Results({"Date": "Monday", "Rounds": "3"}, [], ["caddy: is not installed"]),
            Results({"Date": "Tuesday", "Rounds": "3"}, [], ["caddy: is not installed"]),
        ]
        merged = merge(runs)
        self.assertEqual(merged.about, {"Date": "Monday; Tuesday", "Rounds": "3"})
        self.assertEqual(merged.skipped, ["caddy: is not installed"])
