"""The page about security."""

from __future__ import annotations

from docutils import nodes
from twisted.trial.unittest import SynchronousTestCase

from tests.test_docs import ROOT, TEST, doctree

CASES = 45


class PageTests(SynchronousTestCase):
    """Its table."""

    def setUp(self) -> None:
        """Read it."""
        page = doctree(ROOT / "docs" / "security.rst")
        self.rows = [
            [entry.astext() for entry in row.findall(nodes.entry)]
            for body in page.findall(nodes.tbody)
            for row in body.findall(nodes.row)
        ]

    def test_numbers(self) -> None:
        """Every case has its row, in order."""
        numbers = [int(number) for number, *_ in self.rows]
        self.assertEqual(numbers, list(range(1, CASES + 1)))

    def test_proven(self) -> None:
        """No row lacks a defence, nor a test, unless it says that it is open."""
        for number, threat, defence, proof, _ in self.rows:
            self.assertTrue(threat and defence, number)
            if proof != "Open":
                self.assertTrue(proof.strip(), number)
                for name in proof.split():
                    self.assertTrue(TEST.fullmatch(name), f"{number}: {name}")
