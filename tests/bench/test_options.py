"""Tests of the benchmark's command line."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.options import DOCS, RESULTS, Options, read_options


def options(*arguments: str) -> Options:
    """Read a command line."""
    return read_options("", arguments)


class OptionsTests(SynchronousTestCase):
    """What is measured, and where it is written to."""

    def test_everything(self) -> None:
        """Without options, all is measured three times, kept, and put on the page."""
        every = options()
        self.assertEqual((every.rounds, every.results, every.page), (3, RESULTS, DOCS))
        self.assertEqual(len(every.chosen_servers), 8)

    def test_part(self) -> None:
        """What is only a part is kept, and put on no page."""
        for arguments in (["--servers", "nginx"], ["--scenarios", "cold"]):
            part = options(*arguments)
            self.assertEqual((part.results, part.page), (RESULTS, None))

    def test_trial(self) -> None:
        """Figures that are not those of the page take the place of none."""
        for scale in ("--quick", "--small"):
            trial = options(scale)
            self.assertEqual((trial.results, trial.page), (None, None))

    def test_names(self) -> None:
        """A whole name means that alone, and a part of names all that have it."""
        chosen = [server.name for server in options("--servers", "nginx").chosen_servers]
        self.assertEqual(chosen, ["nginx"])
        chosen = [each.name for each in options("--scenarios", "late", "idle").chosen_scenarios]
        self.assertEqual(chosen, ["late, plain", "late, TLS", "idle, TLS"])

    def test_large(self) -> None:
        """An artifact of 10 GiB has to be asked for."""
        for arguments, expected in (([], False), (["--growth-large"], True)):
            names = [scenario.name for scenario in options(*arguments).chosen_scenarios]
            self.assertIs("growth, artifact, 10240" in names, expected)

    def test_render(self) -> None:
        """Results of before are put on the page."""
        again = options("--render", "a.json", "b.json")
        self.assertEqual((again.render, again.page), ([Path("a.json"), Path("b.json")], DOCS))

    def test_refused(self) -> None:
        """What makes no sense is refused in one line."""
        for arguments, why in (
            (["--check"], "baseline"),
            (["--servers", "squid"], "no server has such a name"),
            (["--scenarios", "hot"], "no scenario has such a name"),
            (["--quick", "--resume"], "--resume needs --results"),
        ):
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                self.assertRaises(SystemExit, options, *arguments)
            self.assertIn(why, said.getvalue())
