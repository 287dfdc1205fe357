"""systemd learns how the process is, and the process does not depend on it."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from tempfile import mkdtemp

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.ops import supervisor as module
from menderproxy.ops.supervisor import Supervisor

PID = 42


class SupervisorTestCase(SynchronousTestCase):
    """Plays systemd."""

    def setUp(self) -> None:
        """Take notifications."""
        self.clock = Clock()
        # Not mktemp(): a socket's address has to be short.
        directory = Path(mkdtemp())
        self.addCleanup(directory.rmdir)
        self.path = directory / "notify"
        self.systemd = self.listen(str(self.path))
        self.addCleanup(self.path.unlink)

    def listen(self, address: str) -> socket.socket:
        """Take notifications at an address."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listening.close)
        listening.bind(address)
        listening.setblocking(False)
        return listening

    def supervisor(self, **environ: str) -> Supervisor:
        """Find the supervisor of a process."""
        environ.setdefault("NOTIFY_SOCKET", str(self.path))
        return Supervisor.from_environment(self.clock, environ, PID)

    def told(self, systemd: socket.socket | None = None) -> list[dict[str, str]]:
        """Take all notifications there are."""
        messages: list[dict[str, str]] = []
        while True:
            try:
                message = (systemd or self.systemd).recv(4096).decode()
            except BlockingIOError:
                return messages
            messages.append(dict(line.split("=", 1) for line in message.split("\n")))


class StateTests(SupervisorTestCase):
    """What is told."""

    def test_ready(self) -> None:
        """That devices are served."""
        self.supervisor().ready()
        self.assertEqual(self.told(), [{"READY": "1", "STATUS": "serving devices"}])

    def test_reloading(self) -> None:
        """That files are read again, and since when: systemd compares it with its own clock."""
        before = time.monotonic_ns() // 1000
        self.supervisor().reloading()
        after = time.monotonic_ns() // 1000
        [told] = self.told()
        self.assertEqual(told["RELOADING"], "1")
        self.assertTrue(before <= int(told["MONOTONIC_USEC"]) <= after)

    def test_stopping(self) -> None:
        """That it stops, and how long systemd should have patience."""
        self.supervisor().stopping(40.5)
        [told] = self.told()
        self.assertEqual((told["STOPPING"], told["EXTEND_TIMEOUT_USEC"]), ("1", "40500000"))


class WatchdogTests(SupervisorTestCase):
    """Signs of life."""

    def signs(self, supervisor: Supervisor, *seconds: float) -> list[int]:
        """Count the signs of life after each step of time."""
        supervisor.watch()
        counts = []
        for step in (0, *seconds):
            self.clock.advance(step)
            messages = self.told()
            self.assertEqual(messages, [{"WATCHDOG": "1"}] * len(messages))
            counts.append(len(messages))
        supervisor.unwatch()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return counts

    def test_interval(self) -> None:
        """They come twice in the time that systemd waits for one."""
        for pid in ({"WATCHDOG_PID": str(PID)}, {}):
            supervisor = self.supervisor(WATCHDOG_USEC="3000000", **pid)
            self.assertEqual(self.signs(supervisor, 1.4, 0.1, 1.5), [1, 0, 1, 1])

    def test_not_wanted(self) -> None:
        """They don't when none is waited for, or another process's, or nonsense."""
        for environ in (
            {},
            {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "43"},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "soon"},
        ):
            self.assertEqual(self.signs(self.supervisor(**environ), 10), [0, 0], environ)


class AddressTests(SupervisorTestCase):
    """Where it is told."""

    def test_abstract(self) -> None:
        """A name with ``@`` in front is none in the file system."""
        name = f"menderproxy-{os.getpid()}"
        systemd = self.listen(f"\0{name}")
        self.supervisor(NOTIFY_SOCKET=f"@{name}").ready()
        self.assertEqual(len(self.told(systemd)), 1)

    def test_nobody(self) -> None:
        """Without an address nobody is told, and nothing is wrong."""
        with capturedLogs() as events:
            Supervisor.from_environment(self.clock, {}, PID).ready()
        self.assertEqual((self.told(), list(events)), ([], []))

    def test_not_for_children(self) -> None:
        """The variables are gone from the environment."""
        names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        environ = {**dict.fromkeys(names, "1"), "PATH": "/bin"}
        Supervisor.from_environment(self.clock, environ, PID)
        self.assertEqual(environ, {"PATH": "/bin"})

    def test_gone(self) -> None:
        """When nobody listens that is said once; whoever listens again is told."""
        supervisor = self.supervisor()
        self.systemd.close()
        self.path.unlink()
        with capturedLogs() as events:
            supervisor.ready()
            supervisor.ready()
        lines = [formatEvent(event) for event in events]
        self.assertEqual(lines, [f"NOTIFY_SOCKET: {self.path}: No such file or directory"])
        systemd = self.listen(str(self.path))
        supervisor.ready()
        self.assertEqual(len(self.told(systemd)), 1)

    def test_deaf(self) -> None:
        """Somebody who reads nothing does not hold the gateway up."""
        self.patch(module, "_PATIENCE", 0.0)
        supervisor = self.supervisor()
        with capturedLogs() as events:
            for _ in range(5000):
                supervisor.ready()
        self.assertEqual(len(events), 1)
        self.assertLess(len(self.told()), 5000)

    def test_odd(self) -> None:
        """An address that is none is no trouble."""
        for address in ("vsock:2:1234", "/" + "long" * 100):
            with capturedLogs() as events:
                self.supervisor(NOTIFY_SOCKET=address).ready()
            [line] = [formatEvent(event) for event in events]
            self.assertTrue(line.startswith(f"NOTIFY_SOCKET: {address}: "), line)
