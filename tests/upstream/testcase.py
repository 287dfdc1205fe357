"""What the tests of requests and of answers have in common."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.agent import Agent, Answer, RawHeaders, Timeouts
from menderproxy.upstream.connector import Connector, Origin
from menderproxy.upstream.tls import TrustRoots
from tests.network import Line, Network

T = TypeVar("T")

ORIGIN = Origin("http", "mender.example.com", 80)
HOST = (b"Host", b"mender.example.com")
TIMEOUTS = Timeouts(connect=10, response=60, idle=30)


class AgentTestCase(SynchronousTestCase):
    """Has an agent for plain HTTP on a network in memory."""

    def setUp(self) -> None:
        """Make them."""
        self._agents: list[tuple[Agent, Network]] = []
        self._asked: list[Deferred[Any]] = []
        self.network = Network()
        self.agent = self.agent_on(self.network)

    def tearDown(self) -> None:
        """Once nobody waits for an answer, and the agent is closed, nothing is left of it."""
        for asked in self._asked:
            asked.addErrback(lambda _: None)
            asked.cancel()
        closing = [Deferred.fromCoroutine(agent.close()) for agent, _ in self._agents]
        for (agent, network), closed in zip(self._agents, closing, strict=True):
            network.advance(0)
            self.successResultOf(closed)
            self.assertEqual((agent.in_flight, agent.pool.standing, agent.pool.idle), (0, 0, 0))
            self.assertEqual(network.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def agent_on(self, network: Network, max_connections: int = 128) -> Agent:
        """Make another agent."""
        connector = Connector(network, trust=TrustRoots(system=False), timeout=1000)
        agent = Agent(network, connector, timeouts=TIMEOUTS, max_connections=max_connections)
        self._agents.append((agent, network))
        return agent

    def ask(
        self,
        method: bytes = b"GET",
        target: bytes = b"/",
        headers: RawHeaders = (HOST,),
        body: bytes | None = None,
        origin: Origin = ORIGIN,
    ) -> Deferred[Answer]:
        """Send a request."""
        return self.begin(self.agent.request(origin, method, target, headers, body))

    def begin(self, work: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        """Begin what may still be under way when the test is over."""
        begun = Deferred.fromCoroutine(work)
        self._asked.append(begun)
        return begun

    def accept_request(self, method: bytes = b"GET") -> tuple[Line, Deferred[Answer]]:
        """Send a request that reaches its upstream on a new connection."""
        asked = self.ask(method)
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
