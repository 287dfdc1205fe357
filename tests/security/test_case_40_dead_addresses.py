"""One of a name's addresses swallows all packets, as IPv6 does in many networks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.network import Network
from tests.upstream.test_connector import agent_on, ask

DEAD, ALIVE = "2001:db8::1", "192.0.2.7"


class BlackHoleTests(SynchronousTestCase):
    """How long the other address has to wait for its turn."""

    def test_next_address(self) -> None:
        """The next address is tried within a second, long before the first one's time is over."""
        network = Network(**{"mender.example": (DEAD, ALIVE)})
        asked = ask(agent_on(network), "http", "mender.example", 80)
        network.advance(1)
        self.assertEqual(network.dialled, [(DEAD, 80), (ALIVE, 80)])
        network.tcpClients.pop(0)
        line = network.accept()
        network.advance(0)
        line.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual(self.successResultOf(asked).code, 204)
