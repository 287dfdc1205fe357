"""How devices take what they download."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import AccumulatingProtocol, StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IResponse

from bench.soak.reading import Habit, HabitualResponse


class _Response:
    """Stands for a response, and keeps who takes its body."""

    def deliverBody(self, protocol: IProtocol) -> None:
        """Keep it."""
        self.reader = cast(Any, protocol)


class HabitTests(SynchronousTestCase):
    """One body that is taken."""

    def take(self, **habit: Any) -> None:
        """Begin to take a body."""
        self.clock, self.taken, self.cuts = Clock(), [b""], [0]
        response = _Response()
        receiver = self.receiver = AccumulatingProtocol()
        cast(Any, receiver).factory = type("", (), {"protocolConnectionMade": None})()
        HabitualResponse(
            cast(IResponse, response), Habit(**habit), self.clock, self._cut, self.taken.append
        ).deliverBody(receiver)
        self.reader, self.transport = response.reader, StringTransport()
        self.reader.makeConnection(self.transport)

    def _cut(self) -> None:
        self.cuts[0] += 1

    def test_steady(self) -> None:
        """All that comes is taken at once, and seen."""
        self.take()
        self.reader.dataReceived(b"some")
        self.reader.dataReceived(b"thing")
        self.assertEqual(self.receiver.data, b"something")
        self.assertEqual(b"".join(self.taken), b"something")
        self.assertEqual(self.transport.producerState, "producing")

    def test_slow(self) -> None:
        """After so many bytes nothing more is taken until they are due."""
        self.take(rate=10)
        self.reader.dataReceived(bytes(20))
        self.clock.advance(1.9)
        self.assertEqual(self.transport.producerState, "paused")
        self.clock.advance(0.2)
        self.assertEqual(self.transport.producerState, "producing")

    def test_quits(self) -> None:
        """The connection is cut when so many bytes are there."""
        self.take(quits_after=10)
        self.reader.dataReceived(bytes(9))
        self.assertEqual(self.cuts, [0])
        self.reader.dataReceived(bytes(1))
        self.assertEqual(self.cuts, [1])

    def test_quits_at_once(self) -> None:
        """It can be cut before the first byte."""
        self.take(quits_after=0)
        self.assertEqual(self.cuts, [1])

    def test_sleeps(self) -> None:
        """It can fall asleep, once."""
        self.take(sleeps_after=10, sleep=30)
        self.reader.dataReceived(bytes(10))
        self.assertEqual(self.transport.producerState, "paused")
        self.clock.advance(30)
        self.reader.dataReceived(bytes(10))
        self.assertEqual(self.transport.producerState, "producing")

    def test_gone(self) -> None:
        """Nothing is due any more when the body has ended."""
        self.take(rate=1)
        self.reader.dataReceived(bytes(10))
        self.reader.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])
