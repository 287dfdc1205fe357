"""The real commands as real processes."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.config.documents import SMALLEST, merged

ROOT = Path(__file__).parents[2]
TWISTD = ("twistd", "--nodaemon", "--pidfile=", "mender-gateway")
CONSOLE = ("mender-gateway",)
LOOPBACK = "127.0.0.1"
ALIVE = "/api/internal/v1/gateway/alive"
READY = "/api/internal/v1/gateway/ready"
_LISTENING = r"{}\.Listen: listening on 127\.0\.0\.1:([0-9]+)"
# As systemd does it: whoever gets the sockets is named by its own number.
_PASS_SOCKETS = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[2:])
"""


class Process(ProcessProtocol):
    """
    One run of a command.

    :ivar output: what it wrote, to whichever stream.
    :ivar ended: fires with its exit status, negative for a signal.
    """

    def __init__(self) -> None:
        self.output = ""
        self.ended: Deferred[int] = Deferred()
        self._awaited: list[tuple[str, Deferred[None]]] = []

    def outReceived(self, data: bytes) -> None:
        """It wrote something."""
        self.output += data.decode()
        awaited, self._awaited = self._awaited, []
        for text, seen in awaited:
            if text in self.output:
                seen.callback(None)
            else:
                self._awaited.append((text, seen))

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """It is gone."""
        ended: ProcessDone | ProcessTerminated = reason.value  # type: ignore[assignment]
        for _, seen in self._awaited:
            seen.errback(AssertionError(self.output))
        self.ended.callback(-ended.signal if ended.signal else ended.exitCode or 0)

    def until_seen(self, text: str) -> Deferred[None]:
        """Wait until it has written something; fails when it ends before."""
        if text in self.output:
            return succeed(None)
        seen: Deferred[None] = Deferred()
        self._awaited.append((text, seen))
        return seen

    def tell(self, signal: str) -> None:
        """Send it a signal, by its name without ``SIG``."""
        self.transport.signalProcess(signal)  # type: ignore[union-attr]

    def port(self, listener: str = "HTTP") -> int:
        """Give the port that it listens on."""
        found = re.search(_LISTENING.format(listener), self.output)
        assert found is not None, self.output
        return int(found[1])


class CommandTestCase(TestCase):
    """Runs the commands of this very environment."""

    # A net only: nothing here takes long unless it hangs.
    timeout = 60

    def run_command(
        self,
        command: Sequence[str] = CONSOLE,
        *,
        environ: Mapping[str, str] | None = None,
        sockets: Sequence[socket.socket] = (),
        log_format: str = "text",
        **settings: object,
    ) -> Process:
        """
        Run a command with a configuration.

        :param environ: more variables.
        :param sockets: to be passed on to it, as systemd would.
        """
        path = Path(self.mktemp()).absolute()
        path.write_text(json.dumps(merged(SMALLEST, settings)))
        executable = str(Path(sys.executable).with_name(command[0]))
        arguments = [*command, "--config", str(path), f"--log-format={log_format}"]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})}
        if sockets:
            variables["LISTEN_FDS"] = str(len(sockets))
            arguments = [sys.executable, "-c", _PASS_SOCKETS, executable, *arguments]
            executable = sys.executable
        process = Process()
        # typeshed knows of the names of pipes only.
        descriptors: Any = {0: "w", 1: "r", 2: "r"}
        descriptors.update({3 + each: one.fileno() for each, one in enumerate(sockets)})
        reactor.spawnProcess(
            process,
            executable,
            arguments,
            env=variables,
            path=str(path.parent),
            childFDs=descriptors,
        )
        self.addCleanup(self.kill, process)
        return process

    async def kill(self, process: Process) -> None:
        """End a process that a failed test left."""
        if not process.ended.called:
            process.tell("KILL")
            await process.ended

    async def assert_stopped(self, process: Process) -> None:
        """Assert that a process ends as one that was told to stop."""
        # What twistd makes of SIGTERM is either; service supervisors take both for a success.
        self.assertIn(await process.ended, (0, -15))
        self.assertIn('level=info msg="stopped"', process.output)
        self.assertNotIn("Traceback", process.output)
