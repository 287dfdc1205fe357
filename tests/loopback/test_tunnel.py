"""The remote terminal with real sockets: TLS or none on either side, and ends that do not read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock, deferLater
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase

from menderproxy.config.model import Limits
from menderproxy.upstream.connector import Connector, Origin
from menderproxy.upstream.tls import TrustRoots
from menderproxy.upstream.upgrade import UpgradeAgent
from menderproxy.web.forward import MenderServer
from menderproxy.web.site import GatewaySite
from menderproxy.web.tunnel import ConnectProxy
from menderproxy.wire.routes import Route
from tests.certificates import ip, root
from tests.loopback.lines import LOOPBACK, Line, Upstream, connect
from tests.loopback.test_backpressure import Flood

MEGABYTE = 1024 * 1024
CONNECT = b"/api/devices/v1/deviceconnect/connect"
REQUEST = (
    b"GET %b HTTP/1.1\r\nHost: g\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % CONNECT
)
HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class Server(Upstream):
    """
    An upstream of either kind.

    :param options: of its TLS; ``None`` for plain HTTP.
    """

    def __init__(self, reactor: Any, options: Any = None) -> None:
        super().__init__(reactor)
        self._options = options

    async def start(self) -> None:
        """Listen on any port."""
        if self._options is None:
            await super().start()
            return
        endpoint = SSL4ServerEndpoint(self._reactor, 0, self._options, interface=LOOPBACK)
        self._port = await endpoint.listen(Factory.forProtocol(lambda: Line(self._accept)))


class TunnelTestCase(TestCase):
    """
    Has a site with and without TLS in front of upstreams with and without.

    :ivar timers: the clock of the sites' time limits, which stands still by itself.
    :ivar always: what is left on it when there are no connections.
    """

    # A net only: nothing here takes long unless it hangs.
    timeout = 120

    async def setUp(self) -> None:  # type: ignore[override]
        """Start them all."""
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.timers = Clock()
        authority = root()
        options = authority.issue("127.0.0.1", ip("127.0.0.1")).server_options()
        trust = TrustRoots([authority.certificate], system=False)
        self.upstreams: dict[bool, Server] = {}
        self.ports: dict[tuple[bool, bool], int] = {}
        self.sites: list[GatewaySite] = []
        for tls in (False, True):
            upstream = self.upstreams[tls] = Server(reactor, options if tls else None)
            await upstream.start()
            self.addCleanup(upstream.stop)
            site = self.site(Origin("https" if tls else "http", LOOPBACK, upstream.port), trust)
            self.sites.append(site)
            self.ports[False, tls] = await self.listen(site)
            self.ports[True, tls] = await self.listen(
                TLSMemoryBIOFactory(options, False, site, clock=self.reactor)
            )
        self.always = self.timers.getDelayedCalls()

    def site(self, origin: Origin, trust: TrustRoots) -> GatewaySite:
        """Make a site in front of an upstream."""
        agent = UpgradeAgent(self.reactor, Connector(self.reactor, trust=trust))
        self.addCleanup(agent.close)
        mender = MenderServer(agent, origin, b"mender.example")
        resource = ConnectProxy(self.reactor, mender, 300.0, agent)
        return GatewaySite({Route.CONNECT: resource}, Limits(), self.timers)

    async def listen(self, factory: Any) -> int:
        """Serve devices on any port."""
        endpoint = TCP4ServerEndpoint(self.reactor, 0, interface=LOOPBACK)
        port: IListeningPort = await endpoint.listen(factory)
        self.addCleanup(maybeDeferred, port.stopListening)
        return int(cast(Any, port.getHost()).port)

    async def device(self, kind: tuple[bool, bool], request: bytes = REQUEST) -> Line:
        """Let a device ask; whether it, and its upstream, have TLS is its *kind*."""
        device = await connect(self.reactor, self.ports[kind], tls=kind[0])
        self.addCleanup(device.cut)
        device.send(request)
        return device

    async def tunnel(self, kind: tuple[bool, bool]) -> tuple[Line, Line]:
        """Give both ends of a tunnel."""
        device = await self.device(kind)
        upstream = await self.upstreams[kind[1]].accept()
        await upstream.take_head()
        upstream.send(HEAD)
        await device.take_head()
        return device, upstream

    async def tunnels(self) -> list[tuple[tuple[bool, bool], Line, Line]]:
        """One of each kind."""
        return [(kind, *(await self.tunnel(kind))) for kind in sorted(self.ports)]

    def both_ways(self, device: Line, upstream: Line) -> Iterator[tuple[Line, Line]]:
        """Give who sends, and who receives."""
        yield device, upstream
        yield upstream, device

    async def standstill(self, flood: Flood) -> None:
        """Wait until a flood does not move while another device asks again and again."""
        other, still, sent = await self.device((False, False), b""), 0, -1
        while still < 100:
            still, sent = (still + 1 if flood.sent == sent else 0), flood.sent
            other.send(b"GET /nothing HTTP/1.1\r\nHost: g\r\n\r\n")
            await other.until_seen(b"not found")
            other.received.clear()
        await other.cut()


class BytesTests(TunnelTestCase):
    """What goes through."""

    async def test_echo(self) -> None:
        """Five megabytes come back as they went, while they are still being sent."""
        data = bytes(range(256)) * (5 * MEGABYTE // 256)
        for kind, device, upstream in await self.tunnels():
            self.patch(upstream, "dataReceived", upstream.send)
            device.send(data)
            self.assertEqual(await device.take(len(data)), data, kind)

    async def test_early(self) -> None:
        """What either side sends before the other one is ready gets there, and in order."""
        for kind in sorted(self.ports):
            device = await self.device(kind, REQUEST + b"\x81glued")
            upstream = await self.upstreams[kind[1]].accept()
            await upstream.take_head()
            device.send(b", early")
            upstream.send(HEAD + b"greeting")
            upstream.send(b", more")
            await device.take_head()
            self.assertEqual(await device.take(14), b"greeting, more", kind)
            self.assertEqual(await upstream.take(13), b"\x81glued, early", kind)

    async def test_refused(self) -> None:
        """A refusal is an answer, and the device's connection is good for another try."""
        for kind in sorted(self.ports):
            device = await self.device(kind)
            upstream = await self.upstreams[kind[1]].accept()
            upstream.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}")
            self.assertTrue((await device.take_head()).startswith(b"HTTP/1.1 401 "), kind)
            self.assertEqual(await device.take(2), b"{}")
            await upstream.until_lost()
            device.send(REQUEST)
            upstream = await self.upstreams[kind[1]].accept()
            upstream.send(HEAD + b"x")
            self.assertTrue((await device.take_head()).startswith(b"HTTP/1.1 101 "), kind)

    async def test_idle(self) -> None:
        """No limit for requests or connections ends a tunnel."""
        limits = Limits()
        longest = max(limits.header_timeout, limits.idle_timeout, limits.body_timeout)
        for kind in sorted(self.ports):
            device, upstream = await self.tunnel(kind)
            self.timers.advance(longest + 1)
            for sender, receiver in self.both_ways(device, upstream):
                sender.send(b"x")
                self.assertEqual(await receiver.take(1), b"x", kind)


class BackpressureTests(TunnelTestCase):
    """Ends that do not read."""

    async def test_bounded(self) -> None:
        """Who reads nothing stops the other end after what the kernels buffer, either way."""
        for kind in sorted(self.ports):
            device, upstream = await self.tunnel(kind)
            for sender, receiver in self.both_ways(device, upstream):
                receiver.wire.pauseProducing()
                wanted = receiver.count + 60 * MEGABYTE
                flood = Flood(sender, 60 * MEGABYTE)
                flood.start()
                await self.standstill(flood)
                self.assertLess(flood.sent, 16 * MEGABYTE, kind)
                # The other direction is not held up by it.
                receiver.send(b"still there")
                await sender.until_seen(b"still there")
                # And when it reads on, all of it comes.
                receiver.wire.resumeProducing()
                await self.drop(receiver, wanted)
                self.assertEqual(receiver.count, wanted)

    async def drop(self, line: Line, count: int) -> None:
        """Wait for so many bytes, and keep none of them."""

        def enough() -> bool:
            line.received.clear()
            return line.count >= count

        await line.until(enough)


class EndTests(TunnelTestCase):
    """How it ends."""

    async def test_closed(self) -> None:
        """When one end closes, the other one gets all that was sent, and then the end."""
        data = bytes(MEGABYTE)
        for number in (0, 1):
            for kind, *ends in await self.tunnels():
                closing, other = ends[number], ends[1 - number]
                other.received.clear()
                closing.send(data)
                closing.wire.loseConnection()
                await other.until_lost()
                await closing.until_lost()
                self.assertEqual(len(other.received), len(data), (kind, number))
                self.assertFalse(other.was_cut, (kind, number))
        await self.assert_nothing_left()

    async def test_cut(self) -> None:
        """When one end breaks, so does the tunnel."""
        for number in (0, 1):
            for _, *ends in await self.tunnels():
                ends[number].wire.abortConnection()
                await ends[1 - number].until_lost()
        await self.assert_nothing_left()

    async def test_gateway_cuts(self) -> None:
        """When the gateway cuts the device off, the upstream learns of it."""
        tunnels = await self.tunnels()
        for site in self.sites:
            site.cut_off()
        for _, device, upstream in tunnels:
            await device.until_lost()
            await upstream.until_lost()
            self.assertTrue(device.was_cut)
        await self.assert_nothing_left()

    async def assert_nothing_left(self) -> None:
        """No connection, no error, and no timer is left."""
        while any(site.channels for site in self.sites):
            await deferLater(self.reactor, 0)
        self.assertEqual(self.timers.getDelayedCalls(), self.always)
        self.assertEqual(self.flushLoggedErrors(), [])
