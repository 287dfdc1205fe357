"""Tests of the beginning of a body."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.web.prefix import Prefix
from menderproxy.wire.body import BodySink
from tests.upstream.sink import Sink
from tests.web.fakes import FakeBody


class PrefixTestCase(SynchronousTestCase):
    """Gathers up to ten bytes of a body."""

    def setUp(self) -> None:
        """Start to gather."""
        self.body = FakeBody()
        self.prefix = Prefix(self.body, 10)
        self.gathered: Deferred[None] = Deferred.fromCoroutine(self.prefix.gather())
        self.sink = Sink()


class GatheringTests(PrefixTestCase):
    """What :meth:`Prefix.gather` waits for."""

    def test_short(self) -> None:
        """A body within the limit is gathered to its end."""
        self.body.send(b"01234", b"", b"56789")
        self.assertNoResult(self.gathered)
        self.assertIsNone(self.prefix.length)
        self.body.end()
        self.successResultOf(self.gathered)
        self.assertEqual((self.prefix.complete, self.prefix.length), (True, 10))
        self.assertEqual(self.prefix.data, b"0123456789")
        self.assertFalse(self.body.paused)

    def test_long(self) -> None:
        """A body beyond the limit is paused there, and is not complete even if it ends."""
        self.body.send(b"01234", b"56789a")
        self.successResultOf(self.gathered)
        self.assertTrue(self.body.paused)
        self.body.send(b"on its way")
        self.body.end()
        self.assertEqual((self.prefix.complete, self.prefix.length), (False, None))

    def test_broken(self) -> None:
        """A body that breaks off within the limit is an error."""
        self.body.send(b"01234")
        self.body.break_off(OSError("cut"))
        self.failureResultOf(self.gathered, OSError)
        self.assertFalse(self.prefix.complete)

    def test_here_already(self) -> None:
        """A body that is here, or known to be broken, is not waited for."""

        class Here(FakeBody):
            def deliver(self, sink: BodySink) -> None:
                super().deliver(sink)
                self.send(b"01234")
                self.end()

        class Broken(FakeBody):
            def deliver(self, sink: BodySink) -> None:
                super().deliver(sink)
                self.break_off(OSError("cut"))

        prefix = Prefix(Here(), 10)
        prefix.begin()
        self.assertEqual((prefix.complete, prefix.data), (True, b"01234"))
        self.successResultOf(Deferred.fromCoroutine(Prefix(Here(), 10).gather()))
        self.failureResultOf(Deferred.fromCoroutine(Prefix(Broken(), 10).gather()), OSError)

    def test_given_up(self) -> None:
        """Who stops waiting drops the body."""
        self.gathered.cancel()
        self.failureResultOf(self.gathered, CancelledError)
        self.assertTrue(self.body.aborted)


class StandingInTests(PrefixTestCase):
    """The prefix in place of its body."""

    def test_short(self) -> None:
        """A gathered body is delivered with its end, certain or not."""
        for certain in (True, False):
            self.setUp()
            self.body.send(b"01234", b"56789")
            self.body.end(certain=certain)
            self.prefix.deliver(self.sink)
            self.assertEqual(self.sink.data, b"0123456789")
            self.assertEqual(self.sink.ending, ["certain" if certain else "uncertain"])

    def test_long(self) -> None:
        """Of a long body the rest follows as it comes."""
        self.body.send(b"0123456789a")
        self.prefix.deliver(self.sink)
        self.assertFalse(self.body.paused)
        self.assertEqual((self.sink.data, self.sink.ending), (b"0123456789a", []))
        self.body.send(b"b")
        self.body.end()
        self.assertEqual((self.sink.data, self.sink.ending), (b"0123456789ab", ["certain"]))

    def test_ended_meanwhile(self) -> None:
        """Nothing that comes between the limit and the delivery is lost."""
        self.body.send(b"0123456789a", b"b")
        self.body.end()
        self.prefix.deliver(self.sink)
        self.assertEqual((self.sink.data, self.sink.ending), (b"0123456789ab", ["certain"]))

    def test_broken_meanwhile(self) -> None:
        """Nor is a break."""
        self.body.send(b"0123456789a")
        self.body.break_off(OSError("cut"))
        self.prefix.deliver(self.sink)
        self.assertEqual(self.sink.data, b"0123456789a")
        self.assertIsInstance(self.sink.ending[0], OSError)

    def test_broken_later(self) -> None:
        """A break after the delivery is passed on."""
        self.body.send(b"0123456789a")
        self.prefix.deliver(self.sink)
        self.body.break_off(OSError("cut"))
        self.assertIsInstance(self.sink.ending[0], OSError)

    def test_full_sink(self) -> None:
        """A sink that is full after what was gathered gets no more until it wants some."""
        self.body.send(b"0123456789a")
        self.prefix.deliver(Sink(lambda data: self.prefix.pause()))
        self.assertTrue(self.body.paused)
        self.prefix.resume()
        self.assertFalse(self.body.paused)

    def test_overtaking(self) -> None:
        """Bytes that come while others are delivered do not overtake them."""
        more = [b"last"]
        sink = Sink(lambda data: self.body.send(more.pop()) if more else None)
        self.body.send(b"first ", b"second ")
        self.prefix.deliver(sink)
        self.assertEqual(sink.data, b"first second last")

    def test_not_waited_for(self) -> None:
        """It can stand in before all is gathered."""
        prefix = Prefix(self.body, 10)
        prefix.begin()
        self.body.send(b"01")
        prefix.deliver(self.sink)
        self.body.send(b"23456789abc")
        self.assertFalse(self.body.paused)
        self.body.end()
        self.assertEqual((self.sink.data, self.sink.ending), (b"0123456789abc", ["certain"]))

    def test_dropped(self) -> None:
        """To drop the prefix drops the body."""
        self.body.send(b"0123456789a")
        self.prefix.abort()
        self.assertTrue(self.body.aborted)
