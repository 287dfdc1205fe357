"""The real commands as real processes, and real ports."""

from __future__ import annotations

import json
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import SkipTest, TestCase

from menderproxy.service import GatewayService, build
from tests.config.documents import config_with
from tests.loopback.command import ALIVE, CONSOLE, TWISTD, CommandTestCase
from tests.loopback.exchange import get, status


class ServingTests(CommandTestCase):
    """A command that serves."""

    async def assert_serves_until_told(self, command: tuple[str, ...]) -> None:
        """Assert that a command answers, then drains and ends when it is told to."""
        process = self.run_command(command, HTTP={"Listen": "127.0.0.1:0"})
        await process.until_seen("running...")
        answer = await get(reactor, "127.0.0.1", process.port(), ALIVE)
        self.assertEqual(status(answer), 204)
        process.tell("TERM")
        await self.assert_stopped(process)

    async def test_twistd(self) -> None:
        """``twistd mender-gateway`` serves until SIGTERM."""
        await self.assert_serves_until_told(TWISTD)

    async def test_console(self) -> None:
        """``mender-gateway`` does the same."""
        await self.assert_serves_until_told(CONSOLE)

    async def test_log(self) -> None:
        """Where no terminal is, each line of the log is a JSON object."""
        process = self.run_command(log_format="auto", HTTP={"Listen": "127.0.0.1:0"})
        await process.until_seen("running...")
        process.tell("TERM")
        await process.ended
        lines = [json.loads(line) for line in process.output.splitlines()]
        self.assertIn("running...", [line["msg"] for line in lines])


class RefusedTests(CommandTestCase):
    """A command that can't serve ends at once: a process that listens to nothing helps nobody."""

    async def assert_refused(
        self, command: tuple[str, ...], line: str, *, exit_status: int = 1, **settings: Any
    ) -> None:
        """Assert that a command ends with one line that says why, at whatever level it logs."""
        command = (*command, "--log-level", "fatal")
        process = self.run_command(command, **settings)
        self.assertEqual(await process.ended, exit_status)
        [told] = process.output.splitlines()
        self.assertTrue(told.endswith(line), told)

    def busy_port(self) -> int:
        """Take a port."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        return int(taken.getsockname()[1])

    async def test_configuration(self) -> None:
        """A wrong configuration has a status of its own, so that nobody tries it again."""
        for command in (TWISTD, CONSOLE):
            line = "HTTP.Listen: '80': a port needs a colon before it: \":80\""
            await self.assert_refused(command, line, exit_status=78, HTTP={"Listen": "80"})

    async def test_busy_port(self) -> None:
        """A port that is taken is named."""
        address = f"127.0.0.1:{self.busy_port()}"
        line = f'level=fatal msg="HTTP.Listen: {address}: Address already in use"'
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
