"""The body of an answer: whole, broken, stalled, held back, or not wanted."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from menderproxy.upstream.agent import Answer
from menderproxy.upstream.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from tests.network import Line
from tests.upstream.sink import Sink
from tests.upstream.testcase import AgentTestCase

LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\n"


class AnswerTestCase(AgentTestCase):
    """Has answers of which the upstream sent a part so far."""

    def answered(self, *segments: bytes) -> tuple[Line, Answer]:
        """Give a connection on which the upstream sent some segments, and the answer."""
        line, asked = self.accept_request()
        line.send(*segments)
        return line, self.successResultOf(asked)

    def delivered(self, *segments: bytes) -> tuple[Line, Answer, Sink]:
        """The same, with a sink that takes the body."""
        line, answer = self.answered(*segments)
        sink = Sink()
        answer.deliver(sink)
        self.network.advance(0)
        return line, answer, sink

    def assert_broken(self, sink: Sink, kind: type[UpstreamError]) -> None:
        """Assert that a body broke, and the sink was told so once."""
        self.assertEqual([type(ending) for ending in sink.ending], [kind])


class EndTests(AnswerTestCase):
    """How a body ends."""

    def test_whole(self) -> None:
        """A body of the announced length is certainly whole."""
        _, _, sink = self.delivered(LONG + b"01234", b"56789")
        self.assertEqual((sink.data, sink.ending), (b"0123456789", ["certain"]))

    def test_chunked(self) -> None:
        """A chunked body is certainly whole after its last chunk."""
        line, _, sink = self.delivered(CHUNKED + b"3\r\nabc\r\n")
        self.assertEqual((sink.data, sink.ending), (b"abc", []))
        line.send(b"0\r\n\r\n")
        self.assertEqual(sink.ending, ["certain"])

    def test_empty(self) -> None:
        """An empty body ends at once."""
        _, _, sink = self.delivered(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual((sink.data, sink.ending), (b"", ["certain"]))

    def test_closed(self) -> None:
        """A body that ends with the connection may have been cut: it is not certainly whole."""
        line, _, sink = self.delivered(UNTIL_CLOSED + b"abc")
        line.hang_up()
        self.assertEqual((sink.data, sink.ending), (b"abc", ["uncertain"]))

    def test_reset(self) -> None:
        """One that ends with a reset, or without TLS's goodbye, was cut: it is broken."""
        line, _, sink = self.delivered(UNTIL_CLOSED + b"abc")
        line.abortConnection()
        self.network.advance(0)
        self.assertEqual(sink.data, b"abc")
        self.assert_broken(sink, UpstreamUnavailable)

    def test_cut(self) -> None:
        """A body shorter than announced is broken."""
        line, _, sink = self.delivered(LONG + b"abc")
        line.hang_up()
        self.assertEqual(sink.data, b"abc")
        self.assert_broken(sink, UpstreamUnavailable)

    def test_cut_between_chunks(self) -> None:
        """A chunked body without its last chunk is broken."""
        line, _, sink = self.delivered(CHUNKED + b"3\r\nabc\r\n")
        line.hang_up()
        self.assert_broken(sink, UpstreamUnavailable)

    def test_garbage_for_a_chunk(self) -> None:
        """A malformed chunk breaks the body."""
        line, _, sink = self.delivered(CHUNKED)
        line.send(b"xyz\r\n")
        self.assert_broken(sink, UpstreamUnavailable)

    def test_end_before_delivery(self) -> None:
        """A body that came before anybody wanted it is delivered whole."""
        line, answer = self.answered(LONG + b"0123456789")
        self.network.advance(45)
        sink = Sink()
        answer.deliver(sink)
        self.assertEqual((sink.data, sink.ending), (b"0123456789", ["certain"]))
        self.assertFalse(line.aborted)

    def test_the_upstream_closes(self) -> None:
        """A connection that the upstream wants closed is cut: TLS would wait for its goodbye."""
        line, _, sink = self.delivered(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
        )
        self.assertEqual(sink.ending, ["certain"])
        self.assertTrue(line.aborted)
        self.network.advance(0)
        self.assertEqual(self.network.getDelayedCalls(), [])


class IdleTests(AnswerTestCase):
    """A body has to keep coming while somebody takes it."""

    def test_stalled(self) -> None:
        """A body without a byte for too long is broken, and its connection cut."""
        line, _, sink = self.delivered(LONG)
        self.network.advance(20)
        line.send(b"0")
        self.network.advance(29)
        self.assertEqual(sink.ending, [])
        self.network.advance(1)
        self.assert_broken(sink, UpstreamTimeout)
        self.assertTrue(line.aborted)

    def test_told_once(self) -> None:
        """The sink of a stalled body is not told again when the connection is gone."""
        _, _, sink = self.delivered(LONG)
        self.network.advance(30)
        self.network.advance(0)
        self.assert_broken(sink, UpstreamTimeout)

    def test_not_while_paused(self) -> None:
        """An upstream that may not send is not blamed for its silence."""
        _, answer, sink = self.delivered(LONG)
        answer.pause()
        self.network.advance(1000)
        self.assertEqual(sink.ending, [])
        answer.resume()
        self.network.advance(29)
        self.assertEqual(sink.ending, [])
        self.network.advance(1)
        self.assert_broken(sink, UpstreamTimeout)

    def test_not_for_bytes_while_paused(self) -> None:
        """Not even when TLS has delivered some that it had already."""
        line, answer, sink = self.delivered(LONG)
        answer.pause()
        line.resumeProducing()
        line.send(b"01234")
        self.network.advance(1000)
        self.assertEqual((sink.ending, line.aborted), ([], False))

    def test_not_before_delivery(self) -> None:
        """Nor while nobody takes the body."""
        line, _ = self.answered(LONG)
        self.network.advance(1000)
        self.assertFalse(line.aborted)

    def test_off_after_the_end(self) -> None:
        """A whole body stays whole."""
        _, _, sink = self.delivered(LONG + b"0123456789")
        self.network.advance(1000)
        self.assertEqual(sink.ending, ["certain"])


class PauseTests(AnswerTestCase):
    """A sink that has enough stops the upstream's socket."""

    def test_nothing_is_read_before_delivery(self) -> None:
        """As long as nobody takes the body the upstream has to wait with it."""
        line, _ = self.answered(LONG)
        self.assertEqual(line.producerState, "paused")

    def test_paused_and_resumed(self) -> None:
        """Pausing stops the bytes; resuming lets them come, each once."""
        line, answer, sink = self.delivered(LONG)
        answer.pause()
        answer.pause()
        line.send(b"01234")
        self.assertEqual(sink.data, b"")
        answer.resume()
        answer.resume()
        self.network.advance(0)
        line.send(b"56789")
        self.assertEqual((sink.data, sink.ending), (b"0123456789", ["certain"]))

    def test_paused_by_the_first_bytes(self) -> None:
        """A sink that has enough of what came with the head gets no more."""
        line, answer = self.answered(LONG + b"01234", b"56789")
        sink = Sink(on_data=lambda data: answer.pause())
        answer.deliver(sink)
        self.network.advance(0)
        self.assertEqual((sink.data, line.producerState), (b"01234", "paused"))
        answer.resume()
        self.network.advance(0)
        self.assertEqual(sink.data, b"0123456789")

    def test_bytes_after_the_pause(self) -> None:
        """What a connection with TLS delivers although it is paused waits for its turn."""
        line, answer, sink = self.delivered(LONG)
        answer.pause()
        line.resumeProducing()
        line.send(b"012", b"345", b"6789")
        self.assertEqual((sink.data, sink.ending), (b"", []))
        answer.resume()
        self.assertEqual((sink.data, sink.ending), (b"0123456789", ["certain"]))

    def test_resumed_by_the_sink(self) -> None:
        """Bytes that come while a sink takes others do not overtake them, nor does the end."""
        line, answer = self.answered(LONG + b"01234")
        order: list[str] = []

        def take(data: bytes) -> None:
            order.append(f"from {data.decode()}")
            if data == b"01234":
                answer.pause()
                line.resumeProducing()
                line.send(b"567")
                answer.resume()
                line.send(b"89")
            order.append(f"to {data.decode()}")

        sink = Sink(on_data=take)
        answer.deliver(sink)
        self.assertEqual(order, ["from 01234", "to 01234", "from 56789", "to 56789"])
        self.assertEqual((sink.data, sink.ending), (b"0123456789", ["certain"]))

    def test_paused_by_the_last_bytes(self) -> None:
        """The end is no byte: a sink that has all of them is told so, although it is full."""
        for segments in ((LONG + b"0123456789",), (LONG, b"0123456789")):
            line, answer = self.answered(segments[0])
            sink = Sink(on_data=lambda _, answer=answer: answer.pause())  # type: ignore[misc]
            answer.deliver(sink)
            self.network.advance(0)
            line.send(*segments[1:])
            self.assertEqual((sink.data, sink.ending), (b"0123456789", ["certain"]))
            line.hang_up()

    def test_broken_while_paused(self) -> None:
        """A sink that waits for nothing more learns at once that nothing more will come."""
        line, answer, sink = self.delivered(LONG + b"01234")
        answer.pause()
        line.abortConnection()
        self.network.advance(0)
        self.assert_broken(sink, UpstreamUnavailable)

    def test_broken_behind_held_bytes(self) -> None:
        """But not before it got the bytes that came in time."""
        line, answer, sink = self.delivered(LONG)
        answer.pause()
        line.resumeProducing()
        line.send(b"01234")
        line.abortConnection()
        self.network.advance(0)
        self.assertEqual((sink.data, sink.ending), (b"", []))
        answer.resume()
        self.assertEqual(sink.data, b"01234")
        self.assert_broken(sink, UpstreamUnavailable)

    def test_ended_while_paused(self) -> None:
        """The end waits as well; the connection is free as soon as all is here."""
        line, answer, sink = self.delivered(LONG)
        answer.pause()
        line.resumeProducing()
        resumed: list[bool] = []
        self.patch(line, "resumeProducing", lambda: resumed.append(True))
        line.send(b"0123456789")
        self.assertEqual((sink.data, sink.ending), (b"", []))
        self.assertEqual((self.agent.pool.idle, self.agent.in_flight, resumed), (1, 0, [True]))
        answer.resume()
        self.assertEqual((sink.data, sink.ending), (b"0123456789", ["certain"]))

    def test_resuming_twice(self) -> None:
        """A sink that never was too slow costs the socket nothing."""
        calls: list[str] = []
        self.patch(Line, "resumeProducing", lambda line: calls.append("resume"))
        self.patch(Line, "pauseProducing", lambda line: calls.append("pause"))
        line, asked = self.accept_request()
        asked.addCallback(lambda answer: answer.deliver(Sink()))
        line.send(LONG + b"01234", b"56789")
        self.assertEqual(calls, [])

    def test_pausing_before_delivery(self) -> None:
        """Pausing and resuming what nobody takes yet does nothing."""
        line, answer = self.answered(LONG)
        answer.pause()
        answer.resume()
        self.assertEqual(line.producerState, "paused")
        answer.pause()
        sink = Sink()
        answer.deliver(sink)
        line.send(b"01234")
        self.assertEqual(sink.data, b"01234")

    def test_pausing_after_the_end(self) -> None:
        """A pause that comes late does not stop the next request on the connection."""
        line, answer, _ = self.delivered(LONG + b"0123456789")
        answer.pause()
        self.assertEqual(line.producerState, "producing")
        answer.resume()
        self.assertEqual(len(self.network.getDelayedCalls()), 1)


class AbortTests(AnswerTestCase):
    """A body that nobody wants is not waited for."""

    def test_before_delivery(self) -> None:
        """Aborting cuts the connection, and delivers nothing."""
        line, answer = self.answered(LONG + b"01234")
        answer.abort()
        self.assertTrue(line.aborted)
        sink = Sink()
        answer.deliver(sink)
        self.network.advance(1000)
        self.assertEqual((sink.data, sink.ending), (b"", []))

    def test_while_delivering(self) -> None:
        """The sink hears nothing more, not even that the connection is gone."""
        line, answer, sink = self.delivered(LONG + b"01234")
        answer.abort()
        self.assertTrue(line.aborted)
        self.network.advance(1000)
        self.assertEqual((sink.data, sink.ending), (b"01234", []))
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_by_the_sink(self) -> None:
        """A sink may abort while it takes bytes; the rest of them is not for it."""
        line, answer = self.answered(LONG + b"01234", b"56789")
        sink = Sink(on_data=lambda data: answer.abort())
        answer.deliver(sink)
        self.network.advance(1000)
        self.assertEqual((sink.data, sink.ending), (b"01234", []))
        self.assertTrue(line.aborted)

    def test_while_paused(self) -> None:
        """A paused connection is cut like any other."""
        line, answer, _ = self.delivered(LONG)
        answer.pause()
        answer.abort()
        self.assertTrue(line.aborted)

    def test_after_the_end(self) -> None:
        """Aborting what is over does not touch the connection: it is another request's."""
        line, answer, _ = self.delivered(LONG + b"0123456789")
        asked = self.ask()
        answer.abort()
        self.assert_in_use(line, asked)

    def test_unwanted_but_all_here(self) -> None:
        """Nor does aborting a body that came whole while nobody wanted it."""
        line, answer = self.answered(LONG + b"0123456789")
        asked = self.ask()
        answer.abort()
        self.assert_in_use(line, asked)

    def assert_in_use(self, line: Line, asked: Deferred[Answer]) -> None:
        """Assert that a request went out on a connection and is answered there."""
        self.assertFalse(line.aborted)
        self.assertTrue(line.received().startswith(b"GET "))
        line.send(LONG)
        self.assertEqual(self.successResultOf(asked).code, 200)

    def test_by_a_defect(self) -> None:
        """A sink that fails ends the body, for itself and for the upstream, and is logged."""

        def fail(data: bytes) -> None:
            raise ZeroDivisionError

        for first, *rest in ((LONG + b"01234",), (LONG, b"01234")):
            line, answer = self.answered(first)
            sink = Sink(on_data=fail)
            answer.deliver(sink)
            self.network.advance(0)
            line.send(*rest)
            self.assert_broken(sink, UpstreamUnavailable)
            self.assertTrue(line.aborted)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_by_a_defect_at_the_end(self) -> None:
        """Also with the last bytes, when the connection is another request's already."""

        def fail(data: bytes) -> None:
            raise ZeroDivisionError

        line, answer = self.answered(LONG + b"0123456789")
        sink = Sink(on_data=fail)
        answer.deliver(sink)
        self.assert_broken(sink, UpstreamUnavailable)
        self.assertFalse(line.aborted)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_connection_lost_before_delivery(self) -> None:
        """A connection that died before the body was wanted breaks the body when it is."""
        line, answer = self.answered(LONG)
        line.abortConnection()
        self.network.advance(0)
        sink = Sink()
        answer.deliver(sink)
        self.assert_broken(sink, UpstreamUnavailable)
