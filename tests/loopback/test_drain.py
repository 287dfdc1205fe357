"""Tests of stopping a gateway that has devices connected."""

from __future__ import annotations

from twisted.internet.defer import maybeDeferred

from tests.loopback.gateway import API, GatewayTestCase

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"


class DrainTests(GatewayTestCase):
    """What its devices see."""

    async def test_busy_and_idle(self) -> None:
        """Requests in progress are answered in full and closed, idle connections at once."""
        await self.start_gateway(DrainTimeout="1h")
        for tls in (False, True):
            idle = await self.device(tls=tls)
            await self.round_trip(idle)
            waiting, lines = await self.ask(tls=tls), []
            lines.append(await self.forwarded())
            halfway = await self.ask(tls=tls)
            lines.append(await self.forwarded())
            lines[1].send(HALF)
            await halfway.until_seen(b"half")
            stopping = maybeDeferred(self.gateway.stopService)
            await idle.until_lost()
            self.assertFalse(idle.was_cut)
            lines[0].send(HALF + b"done")
            lines[1].send(b"done")
            for device in (waiting, halfway):
                await device.until_lost()
                self.assertFalse(device.was_cut)
                self.assertTrue(device.received.endswith(b"\r\n\r\nhalfdone"))
            self.assertIn(b"\r\nConnection: close\r\n", waiting.received)
            await stopping
            self.gateway.startService()

    async def test_about_to_ask(self) -> None:
        """A device that is connected but has not asked yet is still served."""
        await self.start_gateway(DrainTimeout="1h")
        for tls in (False, True):
            early = await self.device(tls=tls)
            # The port takes one after the other: so by then it has the first one, too.
            other = await self.device(tls=tls)
            await self.round_trip(other)
            stopping = maybeDeferred(self.gateway.stopService)
            await other.until_lost()
            early.send(b"GET %b HTTP/1.1\r\nHost: gateway.example\r\n\r\n" % API)
            line = await self.forwarded()
            line.send(HALF + b"done")
            await early.until_lost()
            self.assertFalse(early.was_cut)
            self.assertTrue(early.received.endswith(b"\r\n\r\nhalfdone"))
            await stopping
            self.gateway.startService()

    async def test_deadline(self) -> None:
        """What does not end in time is cut off: no part looks whole, and the gateway stops."""
        await self.start_gateway(DrainTimeout="50ms")
        for tls in (False, True):
            device = await self.ask(API, tls=tls)
            line = await self.forwarded()
            line.send(HALF)
            await device.until_seen(b"half")
            await maybeDeferred(self.gateway.stopService)
            await device.until_lost()
            self.assertTrue(device.was_cut)
            await line.until_lost()
            self.gateway.startService()

    async def test_stubborn(self) -> None:
        """A device that does not let go of its connection does not keep the gateway."""
        await self.start_gateway(DrainTimeout="50ms")
        device = await self.device(tls=True)
        await self.round_trip(device)
        device.wire.pauseProducing()
        await maybeDeferred(self.gateway.stopService)
        self.assertIsNone(device.lost)
