"""The process has as many descriptors as it may have."""

from __future__ import annotations

import os
import resource

from twisted.internet import reactor

from tests.loopback.command import ALIVE, LOOPBACK, READY, CommandTestCase, Process
from tests.loopback.exchange import get, status
from tests.loopback.lines import Line, Upstream, connect

ROOM = 5
CONNECTIONS = 20
API = "/api/devices/v1/inventory/device/attributes"
REQUEST = b"GET %b HTTP/1.1\r\nHost: gateway.example\r\n\r\n"
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class UsedUpTestCase(CommandTestCase):
    """Runs a gateway, and uses its descriptors up."""

    async def gateway(self, upstream: str = f"http://{LOOPBACK}:1") -> Process:
        """Start it in front of an upstream."""
        # Nobody is to be cut off for doing nothing, which would make room as well.
        process = self.run_command(
            HTTP={"Listen": f"{LOOPBACK}:0"},
            UpstreamServer={"URL": upstream},
            Limits={"HeaderTimeout": "10m"},
        )
        await process.until_seen("running...")
        return process

    async def use_up(self, process: Process) -> list[Line]:
        """Leave room for a few descriptors, and connect until there is none; give who got in."""
        pid = process.transport.pid  # type: ignore[union-attr]
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + ROOM, used + ROOM))
        lines = [await connect(reactor, process.port()) for _ in range(CONNECTIONS)]
        for line in lines[ROOM:]:
            await line.until_lost()
        kept = [line for line in lines if line.lost is None]
        self.assertNotEqual(kept, [])
        return kept

    async def ask(self, line: Line, path: str) -> bytes:
        """Ask for something on a connection that stands, and give the head of the answer."""
        line.send(REQUEST % path.encode())
        return await line.take_head()


class AcceptTests(UsedUpTestCase):
    """New connections meanwhile, and afterwards."""

    async def test_recovers(self) -> None:
        """Who finds no room is turned away at once; when there is some again, all is well."""
        process = await self.gateway()
        for line in await self.use_up(process):
            await line.cut()
        self.assertEqual(status(await get(reactor, LOOPBACK, process.port(), ALIVE)), 204)
        process.tell("TERM")
        await self.assert_stopped(process)


class ServedTests(UsedUpTestCase):
    """Connections that stand already."""

    async def test_probes(self) -> None:
        """A probe on one is answered: the gateway goes on."""
        process = await self.gateway()
        line, *_ = await self.use_up(process)
        for path in (ALIVE, READY):
            self.assertTrue((await self.ask(line, path)).startswith(b"HTTP/1.1 204 "), path)

    async def test_forwarded(self) -> None:
        """A request gets through on a connection to the server that stands as well."""
        upstream = Upstream(reactor)
        await upstream.start()
        self.addCleanup(upstream.stop)
        process = await self.gateway(f"http://{LOOPBACK}:{upstream.port}")
        device = await connect(reactor, process.port())
        device.send(REQUEST % API.encode())
        server = await upstream.accept()
        await self.assert_answered(server, device)
        await self.use_up(process)
        device.send(REQUEST % API.encode())
        await self.assert_answered(server, device)

    async def assert_answered(self, server: Line, device: Line) -> None:
        """Answer a request at the server, and assert that the device gets it."""
        await server.take_head()
        server.send(ANSWER)
        self.assertTrue((await device.take_head()).startswith(b"HTTP/1.1 204 "))

    async def test_no_way_out(self) -> None:
        """A request that would need another connection gets a 502, in words."""
        process = await self.gateway()
        line, *_ = await self.use_up(process)
        self.assertTrue((await self.ask(line, API)).startswith(b"HTTP/1.1 502 "))
        await process.until_seen("Too many open files")
        self.assertNotIn("Traceback", process.output)
