"""Tests of slow devices with real sockets: what piles up on the way, and who is cut off."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from zope.interface import implementer

from menderproxy.web.channel import CLOSE_TIMEOUT
from tests.loopback.gateway import API, GatewayTestCase
from tests.loopback.lines import Line

MEGABYTE = 1024 * 1024
LENGTH = 200 * MEGABYTE


@implementer(IPushProducer)
class Flood:
    """
    Sends zeros as fast as a connection takes them.

    :ivar sent: how many bytes the connection was given.
    """

    def __init__(self, line: Line, length: int):
        self.sent = 0
        self._line = line
        self._length = length
        self._flowing = False

    def start(self) -> None:
        """Begin."""
        self._line.wire.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        """Wait."""
        self._flowing = False

    def resumeProducing(self) -> None:
        """Send on."""
        self._flowing = True
        while self._flowing and self.sent < self._length:
            size = min(65536, self._length - self.sent)
            self.sent += size
            self._line.send(bytes(size))
        if self.sent == self._length:
            self._line.wire.unregisterProducer()

    def stopProducing(self) -> None:
        """Stop: nobody takes it any more."""
        self._flowing = False


class SlowDeviceTests(GatewayTestCase):
    """Devices that read slowly, or not at all."""

    async def flooded(self, device: Line, length: int, *, chunked: bool = False) -> Flood:
        """Answer a device that has stopped to read with many bytes."""
        line = await self.forwarded()
        device.wire.pauseProducing()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % length
        # Closed, so that each device has a connection of its own.
        line.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n%b\r\n\r\n" % framing)
        if chunked:
            line.send(b"%x\r\n" % length)
        flood = Flood(line, length)
        flood.start()
        return flood

    async def standstill(self, flood: Flood) -> None:
        """Wait until a flood does not move while another device asks again and again."""
        other, still, sent = await self.device(), 0, -1
        while still < 100:
            still, sent = (still + 1 if flood.sent == sent else 0), flood.sent
            await self.round_trip(other)

    async def test_bounded(self) -> None:
        """A device that reads nothing stops its upstream after what the kernels buffer."""
        await self.start_gateway()
        for tls in (False, True):
            for chunked in (False, True):
                device = await self.ask(tls=tls)
                flood = await self.flooded(device, LENGTH, chunked=chunked)
                await self.standstill(flood)
                self.assertLess(flood.sent, 16 * MEGABYTE, (tls, chunked))
                await device.cut()

    async def test_complete(self) -> None:
        """When it reads on, it gets every byte."""
        length = 20 * MEGABYTE
        await self.start_gateway()
        for tls in (False, True):
            device = await self.ask(tls=tls)
            flood = await self.flooded(device, length)
            await self.standstill(flood)
            self.assertLess(flood.sent, length)
            device.wire.resumeProducing()
            await device.take_head()
            await device.until(lambda device=device: len(device.received) == length)  # type: ignore[misc]
            self.assertEqual(device.received.count(0), length)

    async def test_stalled(self) -> None:
        """One that never reads on is cut off, and so is its upstream."""
        await self.start_gateway(WriteStall="200ms")
        for tls in (False, True):
            device = await self.ask(tls=tls)
            flood = await self.flooded(device, LENGTH)
            await self.upstream.lines[-1].until_lost()
            self.assertLess(flood.sent, LENGTH)
            device.wire.resumeProducing()
            await device.until_lost()
            self.assertTrue(device.was_cut)

    async def test_others(self) -> None:
        """Nobody else waits for it."""
        await self.start_gateway()
        slow = await self.ask()
        await self.standstill(await self.flooded(slow, LENGTH))
        for _ in range(3):
            fast = await self.ask(API, b"Connection: close")
            await self.flooded(fast, MEGABYTE)
            fast.wire.resumeProducing()
            await fast.until_lost()
            self.assertTrue(fast.received.endswith(bytes(MEGABYTE)))


class ClosingTests(GatewayTestCase):
    """
    Devices that asked for "Connection: close" and are slow to take the answer.

    With TLS, whose goodbye comes after the last byte; the kernel lets go of plain connections.
    """

    LENGTH = 240_000
    """Fits in what the gateway and both kernels buffer."""

    STEP = 80_000
    """More than the device's kernel takes unread."""

    async def closing(self) -> Line:
        """Let a device read nothing until the gateway has written all and waits to close."""
        await self.start_gateway()
        self.clock = self.gateway.site.reactor = Clock()
        device = await self.ask(API, b"Connection: close", tls=True)
        line = await self.forwarded()
        device.wire.pauseProducing()
        (channel,) = self.gateway.site.channels
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.LENGTH)
        line.send(bytes(self.LENGTH))
        other = await self.device()
        while not cast(Any, channel.transport).disconnecting:
            await self.round_trip(other)
        return device

    async def read_some(self, device: Line) -> None:
        """Read a step, or to the end."""
        wanted = device.count + self.STEP
        device.wire.resumeProducing()
        await device.until(lambda: device.count >= wanted or device.lost is not None)
        if device.lost is None:
            device.wire.pauseProducing()

    async def test_slow(self) -> None:
        """A slow device gets all of its answer, however long it takes, while it takes some."""
        device = await self.closing()
        await self.read_some(device)
        while device.lost is None:
            self.clock.advance(CLOSE_TIMEOUT)
            await self.read_some(device)
        self.assertFalse(device.was_cut)
        self.assertTrue(device.received.endswith(b"\r\n\r\n" + bytes(self.LENGTH)))

    async def test_stalled(self) -> None:
        """One that takes nothing is cut off."""
        device = await self.closing()
        # What the kernels pass on by themselves may look like progress at first.
        self.clock.pump([CLOSE_TIMEOUT] * 2)
        await self.assert_cut(device)

    async def test_too_slow(self) -> None:
        """So is one that takes a little now and then, but far too long for all."""
        device = await self.closing()
        await self.read_some(device)
        self.clock.advance(self.gateway.site.limits.write_stall)
        await self.assert_cut(device)

    async def assert_cut(self, device: Line) -> None:
        """The rest never comes."""
        device.wire.resumeProducing()
        await device.until_lost()
        self.assertTrue(device.was_cut)
        self.assertLess(device.count, self.LENGTH)
