"""Tests of the demo's command line."""

from __future__ import annotations

import contextlib
import io

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.demo.__main__ import Options


class OptionsTests(SynchronousTestCase):
    """Reading the command line."""

    def test_defaults(self) -> None:
        """Without arguments: 64 MiB over 100 Mbit/s to five devices, and stay up."""
        self.assertEqual(
            Options.parse([]),
            Options(64 << 20, 12_500_000.0, 5, exit=False, https_port=8443, http_port=8080),
        )

    def test_given(self) -> None:
        """Every option can be given; a rate of 0 is no limit."""
        arguments = "--size 1MB --rate 0 --devices 9 --exit --https-port 1 --http-port 2"
        self.assertEqual(
            Options.parse(arguments.split()),
            Options(1_000_000, None, 9, exit=True, https_port=1, http_port=2),
        )

    def test_senseless(self) -> None:
        """What can't be shown is refused with a word about the reason."""
        for arguments in ("--size 4095", "--size x", "--rate -1", "--rate nan", "--devices 0"):
            stderr = io.StringIO()
            with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit) as caught:
                Options.parse(arguments.split())
            self.assertEqual(caught.exception.code, 2, arguments)
            self.assertIn(arguments.split()[0], stderr.getvalue())
