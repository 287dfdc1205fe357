"""What the tests of requests and of answers have in common."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.agent import Agent, Answer, RawHeaders, Timeouts
from menderproxy.upstream.connector import Connector, Origin
from menderproxy.upstream.tls import TrustRoots
from tests.network import Line, Network

ORIGIN = Origin("http", "mender.example.com", 80)
HOST = (b"Host", b"mender.example.com")
TIMEOUTS = Timeouts(connect=10, response=60, idle=30)


class AgentTestCase(SynchronousTestCase):
    """Has an agent for plain HTTP on a network in memory."""

    def setUp(self) -> None:
        """Make them."""
        self.network = Network()
        self.agent = self.agent_on(self.network)

    def agent_on(self, network: Network, max_connections: int = 128) -> Agent:
        """Make another agent."""
        connector = Connector(network, trust=TrustRoots(system=False), timeout=1000)
        return Agent(network, connector, timeouts=TIMEOUTS, max_connections=max_connections)

    def ask(
        self,
        method: bytes = b"GET",
        target: bytes = b"/",
        headers: RawHeaders = (HOST,),
        body: bytes | None = None,
    ) -> Deferred[Answer]:
        """Send a request."""
        return Deferred.fromCoroutine(self.agent.request(ORIGIN, method, target, headers, body))

    def accept_request(self) -> tuple[Line, Deferred[Answer]]:
        """Send a request that reaches its upstream on a new connection."""
        asked = self.ask()
        line = self.network.accept()
        line.received()
        return line, asked

    def idle_line(self) -> Line:
        """Give a connection that served one request and lies in the pool now."""
        line, asked = self.accept_request()
        line.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.successResultOf(asked).abort()
        self.assertFalse(line.aborted)
        return line
