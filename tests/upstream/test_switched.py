"""The connection behind a switch: what comes, what goes, and how it ends."""

from __future__ import annotations

from twisted.internet.testing import StringTransport

from menderproxy.upstream.switched import CLOSE_TIMEOUT
from tests.upstream.sink import Sink
from tests.upstream.upgrade_testcase import SWITCH, UpgradeTestCase


class SwitchedTests(UpgradeTestCase):
    """A connection that has left HTTP."""

    def test_early_bytes(self) -> None:
        """What came with the switch is not lost, and more of it is not read before it is wanted."""
        line, switched = self.switched(SWITCH + b"hello")
        self.assertEqual(line.producerState, "paused")
        line.send(b" world")
        sink = Sink()
        switched.deliver(sink)
        self.assertEqual(sink.data, b"hello")
        self.network.advance(0)
        self.assertEqual(sink.data, b"hello world")

    def test_bytes_after_the_pause(self) -> None:
        """Nor what a connection with TLS delivers although it is paused."""
        line, switched = self.switched(SWITCH + b"hel")
        line.resumeProducing()
        line.send(b"lo")
        sink = Sink()
        switched.deliver(sink)
        self.assertEqual(sink.data, b"hello")

    def test_paused_by_early_bytes(self) -> None:
        """Who can't take more after the early bytes gets no more."""
        line, switched = self.switched(SWITCH + b"hello")
        line.send(b" world")
        sink = Sink(lambda _: switched.pause())
        switched.deliver(sink)
        self.network.advance(0)
        self.assertEqual(sink.data, b"hello")
        switched.resume()
        self.network.advance(0)
        self.assertEqual(sink.data, b"hello world")

    def test_http_is_over(self) -> None:
        """What follows is bytes, also when it looks like an answer."""
        line, switched = self.switched()
        sink = Sink()
        switched.deliver(sink)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        line.send(answer)
        self.network.advance(0)
        self.assertEqual((sink.data, sink.ending), (answer, []))

    def test_written(self) -> None:
        """What is written is sent as it is."""
        line, switched = self.switched()
        switched.write(b"GET \x00\xff")
        self.assertEqual(line.received(), b"GET \x00\xff")

    def test_regulated(self) -> None:
        """An upstream that does not follow pauses the source of what is written to it."""
        line, switched = self.switched()
        source = StringTransport()
        switched.regulate(source)
        assert line.producer is not None
        line.producer.pauseProducing()
        self.assertEqual(source.producerState, "paused")

    def test_lost(self) -> None:
        """The connection's end, whoever ends it and when, is told once to who takes the bytes."""
        line, switched = self.switched()
        sink = Sink()
        switched.deliver(sink)
        line.hang_up()
        self.network.advance(0)
        self.assertEqual(sink.ending, ["uncertain"])
        line, switched = self.switched(SWITCH + b"bye")
        line.resumeProducing()
        line.hang_up()
        sink = Sink()
        switched.deliver(sink)
        self.assertEqual((sink.data, sink.ending), (b"bye", ["uncertain"]))

    def test_close(self) -> None:
        """A connection that is closed is closed softly, and nothing of it is heard any more."""
        line, switched = self.switched()
        sink = Sink()
        switched.deliver(sink)
        switched.write(b"last words")
        switched.close()
        switched.close()
        self.assertEqual(line.received(), b"last words")
        self.assertTrue(line.disconnecting)
        self.network.advance(0)
        self.assertEqual((sink.ending, line.aborted), ([], False))
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_close_with_a_source(self) -> None:
        """A source that is paused does not keep it open."""
        line, switched = self.switched()
        switched.regulate(StringTransport())
        switched.close()
        self.assertIsNone(line.producer)

    def test_stubborn(self) -> None:
        """An upstream that does not let go is cut off."""
        line, switched = self.switched()
        self.patch(line, "loseConnection", lambda: None)
        switched.close()
        self.network.advance(CLOSE_TIMEOUT - 1)
        self.assertFalse(line.aborted)
        self.network.advance(1)
        self.assertTrue(line.aborted)

    def test_abort(self) -> None:
        """One that nobody wants is cut, and nothing is heard of it any more."""
        line, switched = self.switched()
        sink = Sink()
        switched.deliver(sink)
        switched.abort()
        self.assertTrue(line.aborted)
        self.network.advance(0)
        self.assertEqual(sink.ending, [])
        switched.abort()
        switched.close()
        self.assertEqual(self.network.getDelayedCalls(), [])
