"""Tests of ranges of cached artifacts on their way to a device."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.errors import ArtifactChanged
from menderproxy.cache.reader import Reader
from menderproxy.web.outflow import DeviceStalled
from menderproxy.web.request import GatewayRequest
from menderproxy.web.sender import AHEAD, PIECE, TURN, Sender
from tests.web.fakes import FakeReader, FakeRequest


class SenderTestCase(SynchronousTestCase):
    """Sends what the test says is there."""

    def send(self, reader: FakeReader, full_after: int | None = None) -> Deferred[None]:
        """Start to send."""
        self.clock = Clock()
        self.reader = reader
        self.request = FakeRequest(self.clock)
        self.request.full_after = full_after
        sender = Sender(cast(GatewayRequest, self.request), cast(Reader, reader), 30)
        return Deferred.fromCoroutine(sender.run())

    def assert_over(self, *, finished: bool) -> None:
        """However it ended: nothing is left open."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(self.reader.closed)
        self.assertIsNone(self.request.producer)
        self.assertEqual(self.request.finished, finished)
        self.assertEqual(self.request.aborted, not finished)


class WholeTests(SenderTestCase):
    """A range of a finished artifact."""

    def test_sent(self) -> None:
        """All of it is sent in pieces of the connection's size."""
        data = bytes(range(256)) * 600
        running = self.send(FakeReader(data, 100, len(data) - 101))
        self.successResultOf(running)
        self.assertEqual(self.request.body, data[100:-100])
        self.assertEqual({len(piece) for piece in self.request.written[:-1]}, {PIECE})
        self.assert_over(finished=True)

    def test_empty(self) -> None:
        """An empty artifact is finished at once."""
        self.successResultOf(self.send(FakeReader(b"")))
        self.assert_over(finished=True)

    def test_cold(self) -> None:
        """What the disk has to be asked for is read by a thread first, and so is what follows."""
        data = bytes(range(256)) * 6000
        reader = FakeReader(data)
        reader.cold = True
        running = self.send(reader)
        self.assertEqual(self.request.body, b"")
        reader.warmed()
        while len(self.request.body) < AHEAD:
            self.clock.advance(0)
        self.assertEqual(len(self.request.body), AHEAD)
        reader.warmed()
        self.successResultOf(running)
        self.assertEqual(self.request.body, data)

    def test_turns(self) -> None:
        """After so many bytes the other devices have a turn."""
        data = b"x" * (TURN + PIECE)
        running = self.send(FakeReader(data))
        self.assertEqual(len(self.request.body), TURN)
        self.assertNoResult(running)
        self.clock.advance(0)
        self.successResultOf(running)
        self.assertEqual(self.request.body, data)


class GrowingTests(SenderTestCase):
    """A range of an artifact that is still being fetched."""

    def test_follows(self) -> None:
        """What is here is sent at once, and the rest as it comes."""
        reader = FakeReader(b"0123456789")
        reader.available_up_to = 0
        running = self.send(reader)
        self.assertEqual(self.request.body, b"")
        reader.grow(4)
        self.assertEqual(self.request.body, b"0123")
        self.assertNoResult(running)
        reader.grow(10)
        self.successResultOf(running)
        self.assertEqual(self.request.body, b"0123456789")

    def test_breaks(self) -> None:
        """When no more will come, the device's connection is cut."""
        reader = FakeReader(b"0123456789")
        reader.available_up_to = 4
        running = self.send(reader)
        assert reader.growing is not None
        reader.growing.errback(ArtifactChanged("changed"))
        self.failureResultOf(running, ArtifactChanged)
        self.assert_over(finished=False)

    def test_disk_fails(self) -> None:
        """When the disk fails, the answer is left open for whoever can go on with it."""
        reader = FakeReader(b"0123456789")
        reader.cold = True
        running = self.send(reader)
        assert reader.reading is not None
        reader.reading.errback(OSError("I/O error"))
        self.failureResultOf(running, OSError)
        self.assertEqual((self.request.finished, self.request.aborted), (False, False))
        self.assertIsNone(self.request.producer)
        self.assertTrue(reader.closed)


class FailingDiskTests(SenderTestCase):
    """A disk that fails when the bytes are read."""

    def test_copied(self) -> None:
        """The answer is left open for whoever can go on with it."""
        reader = FakeReader(b"0123456789")
        reader.failing = OSError("I/O error")
        self.failureResultOf(self.send(reader), OSError)
        self.assertEqual((self.request.finished, self.request.aborted), (False, False))
        self.assertTrue(reader.closed)


class SpanTests(SenderTestCase):
    """A connection that sends files."""

    def send_spans(self, reader: FakeReader) -> Deferred[None]:
        """Start to send."""
        self.clock = Clock()
        self.reader = reader
        self.request = FakeRequest(self.clock)
        self.request.takes_spans = True
        sender = Sender(cast(GatewayRequest, self.request), cast(Reader, reader), 30)
        return Deferred.fromCoroutine(sender.run())

    def test_sent(self) -> None:
        """It gets the file and the place in it, and takes what it can."""
        running = self.send_spans(FakeReader(b"0123456789", 2, 8))
        span = self.request.span
        assert span is not None
        self.assertEqual((span.fd, span.position, span.ready(100)), (3, 2, 7))
        self.request.send_span(4)
        self.assertEqual(self.request.body, b"2345")
        self.request.send_span(4)
        self.successResultOf(running)
        self.assertEqual(self.request.body, b"2345678")
        self.assertEqual(self.request.sentLength, 7)
        self.assert_over(finished=True)

    def test_growing(self) -> None:
        """It is asked to send again as soon as there is more."""
        reader = FakeReader(b"0123456789")
        reader.available_up_to = 4
        running = self.send_spans(reader)
        self.request.send_span(10)
        self.assertIsNone(self.request.span)
        reader.grow(10)
        self.request.send_span(10)
        self.successResultOf(running)
        self.assertEqual(self.request.body, b"0123456789")

    def test_cold(self) -> None:
        """It is never shown what the disk would have to be waited for."""
        reader = FakeReader(b"0123456789")
        reader.cold = True
        running = self.send_spans(reader)
        self.assertIsNone(self.request.span)
        reader.warmed()
        self.request.send_span(10)
        self.successResultOf(running)

    def test_slow(self) -> None:
        """A device that takes some bytes now and then may take hours."""
        running = self.send_spans(FakeReader(b"0123456789"))
        span = self.request.span
        assert span is not None
        for _ in range(5):
            self.clock.advance(29)
            span.sent(1)
        self.assertNoResult(running)
        self.clock.advance(30)
        self.failureResultOf(running, DeviceStalled)
        self.assert_over(finished=False)

    def test_disk_fails(self) -> None:
        """A file that can't be read leaves the answer open for whoever can go on with it."""
        running = self.send_spans(FakeReader(b"0123456789"))
        span = self.request.span
        assert span is not None
        span.sent(3)
        span.failed(OSError("I/O error"))
        self.failureResultOf(running, OSError)
        self.assertEqual((self.request.finished, self.request.aborted), (False, False))
        self.assertEqual(self.reader.position, 3)
        self.assertTrue(self.reader.closed)


class SlowDeviceTests(SenderTestCase):
    """A device that can't follow."""

    def test_held_back(self) -> None:
        """Nothing more is read while the connection is full, and all is sent in the end."""
        data = b"x" * (5 * PIECE)
        running = self.send(FakeReader(data), full_after=2 * PIECE)
        self.assertEqual(len(self.request.body), 3 * PIECE)
        self.request.producer.pauseProducing()
        self.request.producer.resumeProducing()
        self.assertEqual(len(self.request.body), 4 * PIECE)
        self.request.full_after = None
        self.request.producer.resumeProducing()
        self.successResultOf(running)
        self.assertEqual(self.request.body, data)

    def test_full_while_waiting(self) -> None:
        """A connection that gets full and empty again while bytes are awaited loses none."""
        reader = FakeReader(b"0123456789")
        reader.available_up_to = 4
        running = self.send(reader)
        self.request.producer.pauseProducing()
        reader.grow(7)
        self.assertEqual(self.request.body, b"0123")
        self.request.producer.resumeProducing()
        self.assertEqual(self.request.body, b"0123456")
        self.request.producer.pauseProducing()
        self.request.producer.resumeProducing()
        reader.grow(10)
        self.successResultOf(running)
        self.assertEqual(self.request.body, b"0123456789")

    def test_full_while_reading(self) -> None:
        """What a thread was reading waits with the rest."""
        reader = FakeReader(b"0123456789")
        reader.cold = True
        running = self.send(reader)
        self.request.producer.pauseProducing()
        reader.warmed()
        self.assertEqual(self.request.body, b"")
        self.request.producer.resumeProducing()
        self.successResultOf(running)
        self.assertEqual(self.request.body, b"0123456789")

    def test_full_in_another_turn(self) -> None:
        """A connection that gets full while others have their turn is not written to."""
        data = b"x" * (TURN + PIECE)
        running = self.send(FakeReader(data))
        self.request.producer.pauseProducing()
        self.clock.advance(0)
        self.assertEqual(len(self.request.body), TURN)
        self.request.producer.resumeProducing()
        self.successResultOf(running)

    def test_stalled(self) -> None:
        """One that takes nothing any more is cut off."""
        running = self.send(FakeReader(b"x" * 3 * PIECE), full_after=0)
        self.clock.advance(30)
        self.failureResultOf(running, DeviceStalled)
        self.assert_over(finished=False)


class GoneTests(SenderTestCase):
    """A device that goes away."""

    def test_waiting(self) -> None:
        """While more bytes are awaited: nobody waits for them any more."""
        reader = FakeReader(b"0123456789")
        reader.available_up_to = 4
        running = self.send(reader)
        self.request.producer.stopProducing()
        self.failureResultOf(running, CancelledError)
        self.assertEqual(reader.cancelled, 1)
        self.assert_over(finished=False)

    def test_reading(self) -> None:
        """While a thread reads: what it brings is not written."""
        reader = FakeReader(b"0123456789")
        reader.cold = True
        running = self.send(reader)
        self.request.producer.stopProducing()
        self.failureResultOf(running, CancelledError)
        self.assertEqual(reader.cancelled, 1)
        self.assertEqual(self.request.body, b"")
        self.assert_over(finished=False)

    def test_in_another_turn(self) -> None:
        """While others have their turn: its own never comes."""
        running = self.send(FakeReader(b"x" * (TURN + PIECE)))
        self.request.producer.stopProducing()
        self.failureResultOf(running, CancelledError)
        self.assert_over(finished=False)

    def test_full(self) -> None:
        """While its connection was full."""
        running = self.send(FakeReader(b"x" * 3 * PIECE), full_after=0)
        self.request.producer.stopProducing()
        self.failureResultOf(running, CancelledError)
        self.assert_over(finished=False)
