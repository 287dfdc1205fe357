"""Bodies keep to a rate."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.pacing import INTERVAL, Pace, PacedBody
from menderproxy.upstream.token_bucket import FOR_THE_OTHERS
from tests.upstream.bodies import FakeBody
from tests.upstream.sink import Sink

RATE = 10_000
PIECE = 1_500
"""What a read of the socket brings at once."""


class PacingTestCase(SynchronousTestCase):
    """Has a line that bodies share."""

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.pace = Pace(self.clock, RATE)

    def deliver(self) -> tuple[FakeBody, PacedBody, Sink]:
        """Let a body flow."""
        body, sink = FakeBody(), Sink()
        paced = self.pace.body(body)
        paced.deliver(sink)
        return body, paced, sink

    def run_for(self, seconds: float, *bodies: FakeBody) -> list[int]:
        """Let bodies send all they may; gives how much each of them has sent meanwhile."""
        before = [body.sent for body in bodies]
        for _ in range(round(seconds / INTERVAL)):
            for body in bodies:
                body.send(PIECE)
            self.clock.advance(INTERVAL)
        return [body.sent - sent for body, sent in zip(bodies, before, strict=True)]

    def assert_about(self, sent: int, expected: float) -> None:
        """Assert that something is right up to what is on its way at the ends."""
        self.assertApproximates(sent, expected, 2 * PIECE)


class RateTests(PacingTestCase):
    """How much comes."""

    def test_alone(self) -> None:
        """One body comes at the rate, whole and in order."""
        body, _, sink = self.deliver()
        [sent] = self.run_for(60, body)
        self.assert_about(sent, 60 * RATE)
        self.assertEqual(len(sink.data), sent)

    def test_two(self) -> None:
        """Of two the older gets the most, and the younger what is left for it."""
        older, younger = self.deliver()[0], self.deliver()[0]
        first, second = self.run_for(60, older, younger)
        self.assert_about(first, 60 * RATE * (1 - FOR_THE_OTHERS))
        self.assert_about(second, 60 * RATE * FOR_THE_OTHERS)

    def test_many(self) -> None:
        """However many they are, they keep to the rate together, and each of them gets on."""
        bodies = [self.deliver()[0] for _ in range(20)]
        self.run_for(20, *bodies)
        sent = self.run_for(200, *bodies)
        self.assertApproximates(sum(sent), 200 * RATE, 21 * PIECE)
        self.assertGreater(min(sent), 0)

    def test_done(self) -> None:
        """When one is done, the other gets all."""
        older, younger = self.deliver()[0], self.deliver()[0]
        self.run_for(10, older, younger)
        older.taker.body_ended(certain=True)
        [sent] = self.run_for(60, younger)
        self.assert_about(sent, 60 * RATE)

    def test_slow_store(self) -> None:
        """What a slow store doesn't send, the other body gets."""
        slow, fast = self.deliver()[0], self.deliver()[0]
        self.run_for(1, fast)
        [sent] = self.run_for(60, fast)
        self.assertEqual(slow.sent, 0)
        self.assert_about(sent, 60 * RATE)

    def test_slow_store_is_not_paused(self) -> None:
        """A body below the rate is never paused."""
        body, _, _ = self.deliver()
        for _ in range(100):
            self.clock.advance(1)
            body.send(RATE // 5)
        self.assertEqual(body.pauses, 0)


class PauseTests(PacingTestCase):
    """The sink has a say too."""

    def test_both(self) -> None:
        """A body flows when both the sink and the rate allow it."""
        body, paced, _ = self.deliver()
        body.send(PIECE)
        paced.pause()
        self.clock.advance(1)
        self.assertTrue(body.paused)
        paced.resume()
        self.assertFalse(body.paused)
        body.send(PIECE)
        paced.resume()
        self.assertTrue(body.paused)
        self.clock.pump([INTERVAL] * 10)
        self.assertFalse(body.paused)

    def test_late_bytes(self) -> None:
        """Bytes that come in spite of a pause are handed on, and paid for later."""
        body, _, sink = self.deliver()
        for _ in range(10):
            body.taker.body_data(bytes(RATE))
        self.assertEqual(len(sink.data), 10 * RATE)
        self.clock.pump([INTERVAL] * 190)
        self.assertTrue(body.paused)
        self.clock.pump([INTERVAL] * 20)
        self.assertFalse(body.paused)


class EndTests(PacingTestCase):
    """What is left behind."""

    def test_ends(self) -> None:
        """However a body ends, its sink hears of it, once, and no timer runs on."""
        body, paced, sink = self.deliver()
        body.taker.body_ended(certain=True)
        self.assertEqual(sink.ending, ["certain"])
        paced.abort()
        body, _, sink = self.deliver()
        body.taker.body_broken(ConnectionError("cut"))
        self.assertEqual([str(reason) for reason in sink.ending], ["cut"])
        body, paced, sink = self.deliver()
        paced.abort()
        self.assertTrue(body.aborted)
        body.taker.body_data(b"late")
        body.taker.body_ended(certain=True)
        self.assertEqual((sink.data, sink.ending), (b"", []))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_not_delivered(self) -> None:
        """A body that nobody takes can be aborted all the same."""
        body = FakeBody()
        self.pace.body(body).abort()
        self.assertTrue(body.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])
