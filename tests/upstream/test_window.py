"""How much may be on its way."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from menderproxy.upstream.window import BURST, SMALLEST, NarrowEndpoint, window

RATE = 1_000_000


class WindowTests(SynchronousTestCase):
    """The size of a window."""

    def test_near(self) -> None:
        """Next door it is what may come in one go."""
        self.assertEqual(window(RATE, 0.0), RATE * BURST)

    def test_far(self) -> None:
        """Far away it is so much more as is under way at the full rate."""
        self.assertEqual(window(RATE, 0.6), RATE * (0.6 + BURST))

    def test_slow(self) -> None:
        """However low the rate is, a few packets may come."""
        self.assertEqual(window(1, 0.0), SMALLEST)


class EndpointTests(TestCase):
    """A connection over a real socket."""

    def setUp(self) -> None:
        """Listen."""
        factory: Any = Factory.forProtocol(Protocol)
        self.port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)

    async def test_narrow(self) -> None:
        """It has the window that goes with its rate, and works."""
        host = self.port.getHost()
        endpoint = NarrowEndpoint(TCP4ClientEndpoint(reactor, host.host, host.port), RATE)
        over: Deferred[None] = Deferred()
        protocol: Any = await endpoint.connect(Factory.forProtocol(lambda: _Client(over)))
        connection = protocol.transport.getHandle()
        doubled = connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.assertApproximates(doubled / 2, window(RATE, 0.0), RATE * 0.05)
        protocol.transport.loseConnection()
        await over


class _Client(Protocol):
    def __init__(self, over: Deferred[None]):
        self._over = over

    def connectionLost(self, *_: object) -> None:
        self._over.callback(None)
