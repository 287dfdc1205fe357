"""What the tests of upgrades have in common."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.answer import Answer
from menderproxy.upstream.connector import Connector, Origin
from menderproxy.upstream.proxies import ProxyRules
from menderproxy.upstream.switched import Switched
from menderproxy.upstream.tls import TrustRoots
from menderproxy.upstream.upgrade import UpgradeAgent
from tests.network import Line, Network
from tests.upstream.testcase import HOST, ORIGIN, TIMEOUTS

HANDSHAKE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: eA==\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\n" + HANDSHAKE + b"\r\n"
REQUEST = (
    HOST,
    (b"Connection", b"Upgrade"),
    (b"Upgrade", b"websocket"),
    (b"Sec-WebSocket-Key", b"a2V5"),
)


class UpgradeTestCase(SynchronousTestCase):
    """Has an agent on a network in memory."""

    def setUp(self) -> None:
        """Make them."""
        self.network = Network()
        self.agent = self.agent_with()

    def agent_with(self, proxies: ProxyRules | None = None) -> UpgradeAgent:
        """Make an agent."""
        trust = TrustRoots(system=False)
        connector = Connector(self.network, trust=trust, proxies=proxies, timeout=1000)
        return UpgradeAgent(self.network, connector, timeouts=TIMEOUTS)

    def ask(
        self, target: bytes = b"/connect?x", origin: Origin = ORIGIN
    ) -> Deferred[Answer | Switched]:
        """Ask for WebSocket."""
        return Deferred.fromCoroutine(self.agent.upgrade(origin, target, REQUEST))

    def asked(self) -> tuple[Line, Deferred[Answer | Switched]]:
        """Ask, and give the connection on which the request arrived."""
        asked = self.ask()
        line = self.network.accept()
        line.received()
        return line, asked

    def answer(self, *segments: bytes) -> tuple[Line, Answer]:
        """Give what an upstream's answer is taken for, if it does not switch."""
        line, asked = self.asked()
        line.send(*segments)
        answer = self.successResultOf(asked)
        assert isinstance(answer, Answer)
        return line, answer

    def switched(self, *segments: bytes) -> tuple[Line, Switched]:
        """Give a connection that switched."""
        line, asked = self.asked()
        line.send(*(segments or (SWITCH,)))
        switched = self.successResultOf(asked)
        assert isinstance(switched, Switched)
        return line, switched

    def tearDown(self) -> None:
        """Nothing is logged, and no timer is left, once every connection is gone."""
        self.network.advance(0)
        self.assertEqual(self.flushLoggedErrors(), [])
