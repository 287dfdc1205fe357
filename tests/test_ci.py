"""Tests of what continuous integration relies on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from tests.runnable import runnable

CI = Path(__file__).parents[1] / ".ci"
TRIAL_RESULTS = CI / "trial_results.py"


class TrialResultsTests(SynchronousTestCase):
    """What is made of trial's output."""

    def results(self, log: str) -> tuple[str, str]:
        """Give what the script prints, and what it complains about."""
        path = Path(self.mktemp())
        path.write_text(dedent(log))
        done = subprocess.run(
            [sys.executable, TRIAL_RESULTS, path], capture_output=True, text=True, check=False
        )
        return done.stdout, done.stderr

    def test_passed(self) -> None:
        """A run without failures gives the number of its tests."""
        self.assertEqual(self.results("Ran 7 tests\n\nPASSED (successes=7)\n"), ("7 0\n", ""))

    def test_failed(self) -> None:
        """Failures and errors are failed tests; a skipped one is neither that nor passed."""
        log = "FAILED (skips=1, failures=2, errors=3, successes=4)\n"
        self.assertEqual(self.results(log), ("4 5\n", ""))

    def test_skipped(self) -> None:
        """A skipped test that has to run here counts as failed and is named; others do not."""
        log = """
            ===============================================================================
            [SKIPPED]
            end-to-end tests need root

            tests.e2e.test_update.UpdateTests.test_one_device
            tests.e2e.test_update.UpdateTests.test_without_cache
            ===============================================================================
            [SKIPPED]
            no IPv6 here

            tests.loopback.test_tls.Tests.test_ipv6
            -------------------------------------------------------------------------------
            Ran 4 tests in 0.100s

            PASSED (skips=3, successes=1)
        """
        name, why = "tests.e2e.test_update.UpdateTests", "end-to-end tests need root"
        self.assertEqual(
            self.results(log),
            (
                "1 2\n",
                f"skipped: {name}.test_one_device: {why}\n"
                f"skipped: {name}.test_without_cache: {why}\n",
            ),
        )

    def test_broken_off(self) -> None:
        """A run that did not come to its end gives no numbers."""
        printed, complaint = self.results("tests.wire\n  LinksTests\n")
        self.assertEqual(printed, "")
        self.assertIn("trial did not come to its end", complaint)


class ReproducibleTests(SynchronousTestCase):
    """Comparing what was built in two places."""

    def setUp(self) -> None:
        """Build the same here and there."""
        self.here, self.there = Path(self.mktemp()), Path(self.mktemp())
        for place in (self.here, self.there):
            place.mkdir()
            for name in ("a.whl", "a.tar.gz", "a.deb"):
                (place / name).write_bytes(b"the same")

    def is_reproducible(self) -> bool:
        """Whether the script finds nothing to complain about."""
        arguments = [self.there, *sorted(self.here.iterdir())]
        command = ["bash", str(CI / "reproducible"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def test_same(self) -> None:
        """Three files with the same bytes in both places are what is wanted."""
        self.assertTrue(self.is_reproducible())

    def test_different(self) -> None:
        """One byte of one file is enough."""
        (self.there / "a.whl").write_bytes(b"the sane")
        self.assertFalse(self.is_reproducible())

    def test_missing_there(self) -> None:
        """A file that was built here only has nothing that it could be the same as."""
        (self.there / "a.deb").unlink()
        self.assertFalse(self.is_reproducible())

    def test_missing_here(self) -> None:
        """A file that was not built here was not compared."""
        (self.here / "a.deb").unlink()
        self.assertFalse(self.is_reproducible())


class RunnableTests(SynchronousTestCase):
    """Finding the commands that are to be run."""

    def test_lines(self) -> None:
        """Each line of a marked block is a command, unless the one before goes on."""
        text = dedent(
            """
            .. run: first

            ::

                one --flag
                two \\
                    words

                three

            Not this one::

                four

            .. run: second

            A sentence may
            come before::

              five

            """
        )
        self.assertEqual(
            runnable(text), {"first": ["one --flag", "two words", "three"], "second": ["five"]}
        )

    def test_mark_without_block(self) -> None:
        """A mark that marks nothing is an error, not a command that is never run."""
        self.assertRaises(ValueError, runnable, "\n.. run: first\n\nNo block.\n")
