"""Tests of answers that break off: no device may take a part for the whole."""

from __future__ import annotations

from tests.loopback.gateway import API, GatewayTestCase
from tests.loopback.lines import Line

NEXT = b"/api/devices/v1/deployments/device/deployments/next"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class TruncationTests(GatewayTestCase):
    """The upstream's connection, or the device's, ends in the middle."""

    async def asked(self, *, tls: bool) -> tuple[Line, Line]:
        """Let a device ask, and give both ends."""
        device = await self.ask(tls=tls)
        return device, await self.forwarded()

    async def test_upstream_ends(self) -> None:
        """An upstream that closes or breaks in mid-body breaks the device's connection."""
        await self.start_gateway()
        for tls in (False, True):
            for start in (LENGTH + b"half", CHUNKED + b"4\r\nhalf\r\n"):
                for end in ("loseConnection", "abortConnection"):
                    device, line = await self.asked(tls=tls)
                    line.send(start)
                    await device.until_seen(b"half")
                    getattr(line.wire, end)()
                    await device.until_lost()
                    self.assertTrue(device.was_cut, (tls, start, end, device.lost))
                    self.assertFalse(device.received.endswith(b"0\r\n\r\n"))

    async def test_upstream_stalls(self) -> None:
        """So does one that sends nothing more."""
        await self.start_gateway(UpstreamIdleTimeout="50ms")
        device, line = await self.asked(tls=True)
        line.send(LENGTH + b"half")
        await device.until_lost()
        self.assertTrue(device.was_cut)
        await line.until_lost()

    async def test_instructions(self) -> None:
        """Of instructions, nothing was given yet: the device gets an error and asks again."""
        await self.start_gateway(
            {"ArtifactsProxy": {"Enabled": True, "GatewayURL": "https://gateway.example"}}
        )
        device = await self.ask(NEXT)
        line = await self.forwarded()
        line.send(LENGTH + b"half")
        line.wire.loseConnection()
        self.assertTrue((await device.take_head()).startswith(b"HTTP/1.1 502 "))

    async def test_device_leaves(self) -> None:
        """A device that leaves, before the answer or in it, ends the upstream's connection."""
        await self.start_gateway()
        for tls in (False, True):
            for start in (b"", LENGTH + b"half", CHUNKED + b"4\r\nhalf\r\n"):
                for end in ("loseConnection", "abortConnection"):
                    device, line = await self.asked(tls=tls)
                    line.send(start)
                    await device.until_seen(b"half" if start else b"")
                    getattr(device.wire, end)()
                    await line.until_lost()
                    await device.until_lost()
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    async def test_next_answer(self) -> None:
        """The next request gets a fresh connection, and nothing of the broken answer."""
        await self.start_gateway()
        device, line = await self.asked(tls=False)
        line.send(LENGTH + b"half")
        await device.take_head()
        await device.cut()
        await line.until_lost()
        device = await self.ask(API)
        line = await self.forwarded()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await device.take_head()
        self.assertEqual(await device.take(2), b"ok")
