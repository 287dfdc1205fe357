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
        line.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
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
            other.send(b"GET /nothing HTTP/1.1\r\nHost: g\r\n\r\n")
            await other.until_seen(b"not found")
            other.received.clear()

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
    """Devices that asked for "Connection: close" and are slow to take the answer."""

    LENGTH = 2 * MEGABYTE
    STEP = 100_000

    async def closing(self, *, tls: bool) -> Line:
        """Let a device read until the gateway has written all, closes, and waits for it."""
        self.gateway.site.reactor = self.clock
        device = await self.ask(API, b"Connection: close", tls=tls)
        (channel,) = self.gateway.site.channels
        line = await self.forwarded()
        device.wire.pauseProducing()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.LENGTH)
        line.send(bytes(self.LENGTH))
        while not cast(Any, channel.transport).disconnecting:
            await self.read_some(device)
        self.assertLess(device.count, self.LENGTH - self.STEP)
        return device

    async def read_some(self, device: Line) -> None:
        """Read more than what may lie in the device's own buffers already, or to the end."""
        device.wire.resumeProducing()
        wanted = device.count + self.STEP
        await device.until(lambda: device.count >= wanted or device.lost is not None)
        if device.lost is None:
            device.wire.pauseProducing()

    async def test_slow(self) -> None:
        """A slow device gets all of its answer, however long it takes, while it takes some."""
        self.clock = Clock()
        await self.start_gateway()
        for tls in (False, True):
            device = await self.closing(tls=tls)
            while device.lost is None:
                self.clock.advance(CLOSE_TIMEOUT)
                await self.read_some(device)
            self.assertFalse(device.was_cut)
            self.assertTrue(device.received.endswith(b"\r\n\r\n" + bytes(self.LENGTH)))

    async def test_stalled(self) -> None:
        """One that takes nothing any more is cut off."""
        self.clock = Clock()
        await self.start_gateway()
        for tls in (False, True):
            device = await self.closing(tls=tls)
            self.clock.pump([CLOSE_TIMEOUT, CLOSE_TIMEOUT])
            device.wire.resumeProducing()
            await device.until_lost()
            self.assertTrue(device.was_cut)
            self.assertLess(device.count, self.LENGTH)
