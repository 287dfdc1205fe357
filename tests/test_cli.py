"""``mender-gateway`` is twistd in the foreground with the official flags."""

from __future__ import annotations

import io
import sys

from twisted.scripts import twistd
from twisted.trial.unittest import SynchronousTestCase

from menderproxy import __version__
from menderproxy.cli import main


class CommandTests(SynchronousTestCase):
    """What the command does with its arguments."""

    def setUp(self) -> None:
        """Take the places of twistd, the terminal and the command line."""
        self.printed = io.StringIO()
        self.ran: list[list[str]] = []
        self.patch(sys, "stdout", self.printed)
        self.patch(sys, "argv", ["/usr/bin/mender-gateway", "--log-level", "error"])
        self.patch(twistd, "run", lambda: self.ran.append(sys.argv))

    def test_runs(self) -> None:
        """It runs in the foreground, without the pid file that a crash would leave."""
        main(["--config", "/etc/gw.conf"])
        [command] = self.ran
        self.assertEqual(command[:3], ["mender-gateway", "--nodaemon", "--pidfile="])
        self.assertEqual(command[3:], ["mender-gateway", "--config", "/etc/gw.conf"])

    def test_arguments_of_the_process(self) -> None:
        """Without arguments of its own it takes those of the process."""
        main()
        self.assertEqual(self.ran[0][-2:], ["--log-level", "error"])

    def test_bad_arguments(self) -> None:
        """A bad flag ends it with the reason and the flags that there are."""
        error = self.assertRaises(SystemExit, main, ["--log-level", "loud"])
        assert isinstance(error.code, str)
        reason, synopsis = error.code.split("\n", 1)
        self.assertTrue(reason.startswith("mender-gateway: --log-level loud: must be one of"))
        self.assertIn("mender-gateway [--config FILE] [--log-level LEVEL]", synopsis)
        self.assertEqual(self.ran, [])

    def test_version_and_help(self) -> None:
        """Version and help are shown by the command itself, not by twistd."""
        for flag, shown in (
            ("--version", f"mender-gateway {__version__}"),
            ("--help", "--log-level"),
            ("-h", "--log-level"),
        ):
            self.assertEqual(self.assertRaises(SystemExit, main, [flag]).code, 0)
            self.assertIn(shown, self.printed.getvalue())
        self.assertEqual(self.ran, [])
