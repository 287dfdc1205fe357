"""From the command line to the service, or to one line that says why not."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any, cast

from twisted.application.service import Application
from twisted.logger import ILogObserver, LogLevel
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from menderproxy import __version__, tap
from menderproxy.config.load import DEFAULT_PATH
from menderproxy.tap import Options, makeService
from tests.config.documents import SMALLEST, merged


class TapTestCase(SynchronousTestCase):
    """Catches what is printed."""

    def setUp(self) -> None:
        """Take the place of the terminal."""
        self.printed, self.logged = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.printed)
        self.patch(sys, "stderr", self.logged)

    def options(self, *arguments: str) -> Options:
        """Read a command line."""
        options = Options()  # type: ignore[no-untyped-call]
        options.parseOptions(arguments)  # type: ignore[no-untyped-call]
        return options

    def file(self, **settings: object) -> str:
        """Write a configuration file; give its path."""
        path = Path(self.mktemp())
        path.write_text(json.dumps(merged(SMALLEST, settings)))
        return str(path)


class OptionsTests(TapTestCase):
    """The flags."""

    def test_defaults(self) -> None:
        """Without flags the usual file is read, and the log is at level info."""
        options = self.options()
        self.assertEqual((options["config"], options["log-level"]), (None, "info"))

    def test_given(self) -> None:
        """Both take a value."""
        options = self.options("--config", "/etc/gw.conf", "--log-level=error")
        self.assertEqual((options["config"], options["log-level"]), ("/etc/gw.conf", "error"))

    def test_unknown_level(self) -> None:
        """A level that there is not is refused by name, with those that there are."""
        error = self.assertRaises(UsageError, self.options, "--log-format", "xml")
        self.assertEqual(str(error), "--log-format xml: must be one of auto, text, json")
        error = self.assertRaises(UsageError, self.options, "--log-level", "loud")
        self.assertEqual(
            str(error),
            "--log-level loud: must be one of debug, info, warn, warning, error, fatal",
        )

    def test_unknown_flag(self) -> None:
        """A flag that there is not is refused, and so is a word that belongs to none."""
        self.assertRaises(UsageError, self.options, "--quiet")
        self.assertRaises(UsageError, self.options, "now")

    def test_version(self) -> None:
        """The version is shown, and nothing is started."""
        self.assertEqual(self.assertRaises(SystemExit, self.options, "--version").code, 0)
        self.assertEqual(self.printed.getvalue(), f"mender-gateway {__version__}\n")

    def test_help(self) -> None:
        """The help names every flag and the usual file."""
        for flag in ("--help", "-h"):
            self.printed.truncate(0)
            self.assertEqual(self.assertRaises(SystemExit, self.options, flag).code, 0)
            unwrapped = "".join(self.printed.getvalue().split())
            for word in ("Usage:mender-gateway[--config", "--log-level", "--version", DEFAULT_PATH):
                self.assertIn(word, unwrapped)


class RefusedTests(TapTestCase):
    """Why there is no service."""

    def refusal(self, *arguments: str, status: int = os.EX_CONFIG) -> str:
        """Give the line that the process ends with, and assert its exit status."""
        error = self.assertRaises(SystemExit, makeService, self.options(*arguments))
        self.assertEqual(error.code, status)
        [line] = self.logged.getvalue().splitlines()
        return line

    def test_missing_file(self) -> None:
        """A file that is asked for has to be there."""
        self.assertEqual(
            self.refusal("--config", "/nowhere.conf"),
            "mender-gateway: /nowhere.conf: cannot be read: No such file or directory",
        )

    def test_bad_setting(self) -> None:
        """The line names file, key and reason."""
        path = self.file(HTTP={"Listen": "80"})
        line = self.refusal("--config", path)
        self.assertTrue(line.startswith(f"mender-gateway: {path}: HTTP.Listen: "), line)

    def test_certificate(self) -> None:
        """So it does for what the settings lead to; that may be better the next time."""
        tls = {"Enabled": True, "ServerCertificate": "/nowhere.pem", "ServerKey": "/nowhere.key"}
        self.assertEqual(
            self.refusal("--config", self.file(HTTPS=tls), status=1),
            "mender-gateway: HTTPS.ServerCertificate: /nowhere.pem: No such file or directory",
        )

    def test_sockets(self) -> None:
        """So it does for sockets that are passed to the process and can't be listened on."""
        with open(os.devnull, "rb") as file:
            self.patch(tap, "passed_descriptors", lambda: [file.fileno()])
            line = f"LISTEN_FDS: descriptor {file.fileno()} (without a name)"
            self.assertEqual(
                self.refusal("--config", self.file(), status=1),
                f"mender-gateway: {line}: Socket operation on non-socket",
            )


class MakeServiceTests(TapTestCase):
    """The service that twistd runs."""

    def levels(self, *arguments: str, **settings: object) -> list[str]:
        """Give the levels that are logged by a service."""
        self.logged.truncate(0)
        options = self.options("--config", self.file(**settings), "--log-format=text", *arguments)
        application: Any = Application("mender-gateway")
        cast(Any, makeService(options)).setServiceParent(application)
        log = ILogObserver(application)
        for level in (LogLevel.debug, LogLevel.info, LogLevel.error):
            log({"log_level": level, "log_namespace": "x", "log_time": 0.0, "log_format": "x"})
        return [line.split(" ")[1] for line in self.logged.getvalue().splitlines()]

    def test_log_level(self) -> None:
        """The flag decides what is logged."""
        self.assertEqual(self.levels(), ["level=info", "level=error"])
        self.assertEqual(self.levels("--log-level", "error"), ["level=error"])

    def test_log_format(self) -> None:
        """So does the flag for its format, which is JSON unless people look at it."""
        for arguments in ((), ("--log-format", "json")):
            options = self.options("--config", self.file(), *arguments)
            application: Any = Application("mender-gateway")
            self.logged.truncate(0)
            self.logged.seek(0)
            cast(Any, makeService(options)).setServiceParent(application)
            event = {"log_level": LogLevel.warn, "log_namespace": "x", "log_format": "hi"}
            ILogObserver(application)({**event, "log_time": 0.0})
            self.assertEqual(json.loads(self.logged.getvalue())["msg"], "hi")

    def test_debug_log(self) -> None:
        """``DebugLog`` in the file asks for everything."""
        self.assertEqual(self.levels(DebugLog=True), ["level=debug", "level=info", "level=error"])
