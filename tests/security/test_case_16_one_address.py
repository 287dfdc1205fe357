"""One address opens as many connections as it can, so that nobody else gets any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory

from tests.loopback.gateway import GatewayTestCase
from tests.loopback.lines import LOOPBACK, Line

OTHER = "127.0.0.2"
MOST = 4


class OneAddressTests(GatewayTestCase):
    """Connections from several addresses of this machine."""

    async def connect(self, source: str = LOOPBACK, *, tls: bool = False) -> Line:
        """Connect from an address."""
        if source == LOOPBACK:
            return await self.device(tls=tls)
        port = self.gateway.listeners[0].address.port
        endpoint: Any = TCP4ClientEndpoint(self.reactor, LOOPBACK, port, bindAddress=(source, 0))
        line = cast(Line, await endpoint.connect(Factory.forProtocol(Line)))
        self.addCleanup(line.cut)
        return line

    async def assert_served(self, lines: Sequence[Line]) -> None:
        """Assert that connections are there."""
        for line in lines:
            await self.round_trip(line)

    async def assert_refused(self, *, tls: bool = False) -> None:
        """Assert that a further connection is cut, without an answer to what is asked there."""
        line = await self.connect(tls=tls)
        line.send(b"GET /nothing HTTP/1.1\r\nHost: gateway.example\r\n\r\n")
        await line.until(lambda: line.count > 0 or line.lost is not None)
        self.assertEqual(bytes(line.received), b"")

    async def fill_up(self, *, tls: bool = False) -> list[Line]:
        """Open as many connections as one address may have, by default half of all."""
        await self.start_gateway(MaxConnections=2 * MOST)
        lines = [await self.connect(tls=tls) for _ in range(MOST)]
        await self.assert_served(lines)
        return lines

    async def test_surplus(self) -> None:
        """One more than the limit is cut at once, with TLS too, and the others stay."""
        lines = await self.fill_up()
        for tls in (False, True):
            await self.assert_refused(tls=tls)
        await self.assert_served(lines)

    async def test_others(self) -> None:
        """Who comes from another address meanwhile is served."""
        await self.fill_up()
        await self.assert_served([await self.connect(OTHER)])

    async def test_room_again(self) -> None:
        """A connection that is gone makes room for one from the same address, with TLS too."""
        for tls in (False, True):
            lines = await self.fill_up(tls=tls)
            await lines[0].cut()
            await self.assert_served(lines[1:])
            again = await self.connect(tls=tls)
            await self.assert_served([again])
            await self._stop_gateway()

    async def test_counted(self) -> None:
        """Those that were cut are counted."""
        await self.fill_up()
        for _ in range(3):
            await self.assert_refused()
        self.assertEqual(self.gateway.site.statistics.surplus, 3)

    async def test_off(self) -> None:
        """With the limit off, as behind a balancer, one address may have all there are."""
        await self.start_gateway(MaxConnections=2 * MOST, MaxConnectionsPerAddress=0)
        await self.assert_served([await self.connect() for _ in range(2 * MOST)])
