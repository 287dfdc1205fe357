"""What the tests of remote terminals have in common."""

from __future__ import annotations

from menderproxy.upstream.agent import Timeouts
from menderproxy.upstream.connector import Connector, Origin
from menderproxy.upstream.tls import TrustRoots
from menderproxy.upstream.upgrade import UpgradeAgent
from menderproxy.web.bindings import TokenBindings
from menderproxy.web.forward import MenderServer
from menderproxy.web.tunnel import ConnectProxy
from menderproxy.wire.routes import Route
from tests.network import Line, Network
from tests.web.device import Device
from tests.web.testcase import LIMITS, SiteTestCase

CONNECT = b"/api/devices/v1/deviceconnect/connect"
TOKEN = (b"Authorization", b"Bearer the.device.token")
HANDSHAKE = (
    (b"Connection", b"Upgrade"),
    (b"Upgrade", b"websocket"),
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", b"a2V5"),
)
HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: eA==\r\n\r\n"
)


class TunnelTestCase(SiteTestCase):
    """Has a site whose Mender Server is reached through a network in memory."""

    def setUp(self) -> None:
        """Make the network, and the site on it."""
        super().setUp()
        self.clock = self.network = Network()
        self.serve(TokenBindings())

    def serve(self, bindings: TokenBindings | None) -> None:
        """Make a site that serves remote terminals only."""
        connector = Connector(self.network, trust=TrustRoots(system=False))
        agent = UpgradeAgent(self.network, connector, timeouts=Timeouts(response=60))
        origin = Origin("http", "mender.example", 80)
        mender = MenderServer(agent, origin, b"mender.example", bindings)
        self.proxy = ConnectProxy(self.clock, mender, LIMITS.write_stall, agent)
        self.site = self.site_with({Route.CONNECT: self.proxy})

    def asking(
        self, device: Device | None = None, *headers: tuple[bytes, bytes]
    ) -> tuple[Device, Line]:
        """Let a device ask for WebSocket; give it, and the upstream's end."""
        device = self.device() if device is None else device
        device.ask(b"GET", CONNECT, *HANDSHAKE, *headers)
        return device, self.network.accept()

    def tunnel(
        self, device: Device | None = None, *headers: tuple[bytes, bytes]
    ) -> tuple[Device, Line]:
        """Give both ends of a tunnel; nothing went through it yet."""
        device, line = self.asking(device, *headers)
        line.received()
        line.send(HEAD)
        self.network.advance(0)
        self.assertEqual(device.received, HEAD)
        device.forget_received()
        return device, line
