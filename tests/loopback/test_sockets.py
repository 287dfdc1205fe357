"""Tests of what is asked of the kernel, and told by it."""

from __future__ import annotations

import socket
from typing import Any

from menderproxy.web.sockets import bytes_taken
from tests.loopback.gateway import GatewayTestCase
from tests.loopback.lines import Line

TCP_NOTSENT_LOWAT = 25


class SocketTests(GatewayTestCase):
    """A device's connection, as the kernel sees it."""

    async def connections(self) -> list[tuple[Line, Any]]:
        """Connect without and with TLS, and give both ends of each."""
        await self.start_gateway()
        ends: list[tuple[Line, Any]] = []
        for tls in (False, True):
            device = await self.device(tls=tls)
            await self.round_trip(device)
            known = [transport for _, transport in ends]
            (transport,) = (
                channel.transport
                for channel in self.gateway.site.channels
                if channel.transport not in known
            )
            ends.append((device, transport))
        return ends

    async def test_unsent(self) -> None:
        """For each device the kernel keeps little that it has not sent."""
        for _, transport in await self.connections():
            limit = transport.socket.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT)
            self.assertEqual(limit, self.gateway.site.limits.max_unsent)

    async def test_taken(self) -> None:
        """The kernel counts what each device has taken."""
        for device, transport in await self.connections():
            taken, received = bytes_taken(transport), device.count
            await self.round_trip(device)
            await self.round_trip(device)
            # The last one's acknowledgement may still be on its way.
            step = (device.count - received) // 2
            self.assertGreaterEqual(bytes_taken(transport), taken + step)
