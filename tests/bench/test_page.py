"""Tests of the page that shows results."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from docutils.core import publish_doctree
from docutils.utils import Reporter
from twisted.trial.unittest import SynchronousTestCase

from bench.page import goals_text, text, write_page
from bench.results import Results, read
from tests.bench.rows import row

RESULTS = Results(
    {"Date": "today"},
    [
        row("warm, TLS", cpu_gib=1.5, loader=0.5),
        row("warm, TLS", "nginx", cpu_gib=1.2, loader=0.9),
        row("growth, devices, 10", cpu_device=2.0, anonymous=40.0),
        row("growth, devices, 1000", cpu_device=1.9, anonymous=60.0),
        row("growth, devices, 1000", "nginx", cpu_device=1.8, anonymous=90.0),
    ],
    ["caddy: is not installed", "varnish: *said* |this_, `and` that\\"],
)


class PageTests(SynchronousTestCase):
    """The page, and what is beside it."""

    def setUp(self) -> None:
        """Write it, where an older one was."""
        self.directory = Path(self.mktemp())
        old = self.directory / "performance" / "of-before.svg"
        old.parent.mkdir(parents=True)
        old.touch()
        write_page(RESULTS, self.directory)
        source = (self.directory / "performance.rst").read_text("utf-8")
        settings = {
            "halt_level": Reporter.WARNING_LEVEL,
            "report_level": Reporter.SEVERE_LEVEL,
            "syntax_highlight": "none",
            "warning_stream": io.StringIO(),
        }
        self.page = publish_doctree(source, settings_overrides=settings)

    def table(self, title: str) -> list[list[str]]:
        """Give the cells of the table under a heading."""
        [section] = [
            section for section in self.page.findall(nodes.section) if section[0].astext() == title
        ]
        [table] = section.findall(nodes.table)
        return [
            [entry.astext() for entry in row.findall(nodes.entry)]
            for row in table.findall(nodes.row)
        ]

    def test_plots(self) -> None:
        """Each plot is there and is drawn in XML; there is no other, and none of before."""
        shown = {image["uri"] for image in self.page.findall(nodes.image)}
        self.assertEqual(len(shown), 3)
        for path in shown:
            ElementTree.parse(self.directory / path)
        written = {f"performance/{path.name}" for path in self.directory.glob("*/*.svg")}
        self.assertEqual(written, shown)

    def test_results(self) -> None:
        """All figures are beside the page."""
        self.assertEqual(read(self.directory / "performance" / "results.json"), RESULTS)

    def test_scenario(self) -> None:
        """A scenario has a row for each server, with its cost divided by nginx's."""
        head, ours, peer = self.table("Warm, TLS")
        self.assertEqual(head, ["Server", "CPU, s/GiB", "Devices' CPU, %", "to nginx"])
        self.assertEqual(ours, ["menderproxy", "1.5", "50", "1.25"])
        self.assertEqual(peer, ["nginx", "1.2", "90", "1.00"])

    def test_curve(self) -> None:
        """Growth has a row for each server and number, in one table."""
        rows = [cells[:3] for cells in self.table("Growth, devices")[1:]]
        self.assertEqual(
            rows,
            [["menderproxy", "10", "2"], ["menderproxy", "1000", "1.9"], ["nginx", "1000", "1.8"]],
        )

    def test_goals(self) -> None:
        """All goals are there, with what came of those that were measured."""
        rows = self.table("Goals")[1:]
        found = [cells for cells in rows if cells[0] == "warm, TLS" and cells[3] == "nginx"]
        cells = ["warm, TLS", "CPU, s/GiB", "1.5", "nginx", "1.2", "1.25", "1.25", "yes", "1", "no"]
        self.assertEqual(found, [cells])
        unknown = [cells for cells in rows if cells[0] == "idle, TLS"]
        self.assertEqual({cells[7] for cells in unknown}, {"not measured"})

    def test_skipped(self) -> None:
        """What was not measured is told, on the page and on the terminal."""
        for line in RESULTS.skipped:
            self.assertIn(line, self.page.astext())
            self.assertIn(line, text(RESULTS))

    def test_terminal(self) -> None:
        """On the terminal are only the goals of what was measured."""
        self.assertIn("warm, TLS", goals_text(RESULTS))
        self.assertNotIn("idle, TLS", goals_text(RESULTS))
