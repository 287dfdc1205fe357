"""The real commands as real processes, and real ports."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, TestCase

from menderproxy.service import GatewayService, build
from tests.config.documents import SMALLEST, config_with, merged
from tests.loopback.exchange import get, status

ROOT = Path(__file__).parents[2]
TWISTD = ("twistd", "--nodaemon", "--pidfile=", "mender-gateway")
CONSOLE = ("mender-gateway",)
ALIVE = "/api/internal/v1/gateway/alive"
LISTENING = re.compile(r"HTTP\.Listen: listening on 127\.0\.0\.1:([0-9]+)")


class Process(ProcessProtocol):
    """
    One run of a command.

    :ivar output: what it wrote, to whichever stream.
    :ivar running: fires when it says that it serves, or fails when it ends before.
    :ivar ended: fires with its exit status, negative for a signal.
    """

    def __init__(self) -> None:
        self.output = ""
        self.running: Deferred[None] = Deferred()
        self.ended: Deferred[int] = Deferred()

    def outReceived(self, data: bytes) -> None:
        """It wrote something."""
        self.output += data.decode()
        if "running..." in self.output and not self.running.called:
            self.running.callback(None)

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """It is gone."""
        ended: ProcessDone | ProcessTerminated = reason.value  # type: ignore[assignment]
        if not self.running.called:
            self.running.errback(AssertionError(self.output))
        self.ended.callback(-ended.signal if ended.signal else ended.exitCode or 0)


class StartupTestCase(TestCase):
    """Runs the commands of this very environment."""

    def run_command(self, command: tuple[str, ...], **settings: object) -> tuple[Process, Any]:
        """Run a command with a configuration."""
        path = Path(self.mktemp()).absolute()
        path.write_text(json.dumps(merged(SMALLEST, settings)))
        process = Process()
        transport = reactor.spawnProcess(
            process,
            str(Path(sys.executable).with_name(command[0])),
            [*command, "--config", str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            path=str(path.parent),
        )
        self.addCleanup(self.kill, process, transport)
        return process, transport

    async def kill(self, process: Process, transport: Any) -> None:
        """End a process that a failed test left."""
        if not process.ended.called:
            transport.signalProcess("KILL")
            await process.ended

    def busy_port(self) -> int:
        """Take a port."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        return int(taken.getsockname()[1])


class ServingTests(StartupTestCase):
    """A command that serves."""

    async def assert_serves_until_told(self, command: tuple[str, ...]) -> None:
        """Assert that a command answers, then drains and ends when it is told to."""
        process, transport = self.run_command(command, HTTP={"Listen": "127.0.0.1:0"})
        await process.running
        listening = LISTENING.search(process.output)
        assert listening is not None, process.output
        answer = await get(reactor, "127.0.0.1", int(listening[1]), ALIVE)
        self.assertEqual(status(answer), 204)
        transport.signalProcess("TERM")
        # What twistd makes of SIGTERM is either; service supervisors take both for a success.
        self.assertIn(await process.ended, (0, -15))
        self.assertIn('level=info msg="stopped"', process.output)
        self.assertNotIn("Traceback", process.output)

    async def test_twistd(self) -> None:
        """``twistd mender-gateway`` serves until SIGTERM."""
        await self.assert_serves_until_told(TWISTD)

    async def test_console(self) -> None:
        """``mender-gateway`` does the same."""
        await self.assert_serves_until_told(CONSOLE)


class RefusedTests(StartupTestCase):
    """A command that can't serve ends at once: a process that listens to nothing helps nobody."""

    async def assert_refused(self, command: tuple[str, ...], line: str, **settings: object) -> None:
        """Assert that a command ends with status 1 and one line that says why."""
        process, _ = self.run_command(command, **settings)
        process.running.addErrback(lambda _: None)
        self.assertEqual(await process.ended, 1)
        # Before there is a log it is the bare line, later on an entry of the log.
        [told] = [each for each in process.output.splitlines() if "level=info" not in each]
        self.assertIn(line, told)
        self.assertNotIn("running...", process.output)

    async def test_busy_port(self) -> None:
        """A port that is taken is named."""
        address = f"127.0.0.1:{self.busy_port()}"
        line = f"mender-gateway: HTTP.Listen: {address}: Address already in use"
        for command in (TWISTD, CONSOLE):
            await self.assert_refused(command, line, HTTP={"Listen": address})

    async def test_certificate(self) -> None:
        """So is a file that can't be read."""
        tls = {"Enabled": True, "ServerCertificate": "/nowhere.pem", "ServerKey": "/nowhere.key"}
        line = "mender-gateway: HTTPS.ServerCertificate: /nowhere.pem: No such file or directory"
        await self.assert_refused(CONSOLE, line, HTTPS=tls)


def has_ipv6() -> bool:
    """Tell whether this machine can be reached by IPv6, from itself at least."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class DualStackTests(TestCase):
    """One port for IPv4 and IPv6."""

    async def test_both(self) -> None:
        """Without a host in the address devices get through by either."""
        if not has_ipv6():
            raise SkipTest("there is no IPv6 here")
        service = build(config_with(("HTTP.Listen", ":0")), reactor)
        assert isinstance(service, GatewayService)
        service.startService()
        self.addCleanup(service.stopService)
        port = service.listeners[0].address.port
        self.assertNotEqual(port, 0)
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(status(await get(reactor, host, port, ALIVE)), 204, host)

    async def test_released(self) -> None:
        """A port that was closed can be opened by somebody else."""
        service = build(config_with(("HTTP.Listen", "127.0.0.1:0")), reactor)
        assert isinstance(service, GatewayService)
        service.startService()
        port = service.listeners[0].address.port
        await maybeDeferred(service.stopService)
        socket.create_server(("127.0.0.1", port)).close()
