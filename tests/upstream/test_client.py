"""Which connections are used again, and which are cut at once."""

from __future__ import annotations

from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.client import LIFE_WHEN_IDLE, MOST_INTERIMS, Connection, Surroundings
from menderproxy.upstream.errors import Unanswered, UpstreamUnavailable
from menderproxy.upstream.pool import Pool
from menderproxy.upstream.statistics import Statistics
from tests.network import Line
from tests.upstream.sink import Sink
from tests.upstream.testcase import ORIGIN, TIMEOUTS, AgentTestCase

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class AfterAnAnswerTests(AgentTestCase):
    """What becomes of a connection when an answer is over."""

    def after(self, *segments: bytes, method: bytes = b"GET") -> tuple[Line, Sink]:
        """Give a connection on which an answer came in some segments, and who took its body."""
        line, asked = self.accept_request(method)
        line.send(*segments)
        sink = Sink()
        self.successResultOf(asked).deliver(sink)
        self.network.advance(0)
        self.assertEqual(sink.ending, ["certain"])
        return line, sink

    def test_kept(self) -> None:
        """A connection is kept when the answer's end was clear, and nothing came behind it."""
        for segments in (
            (OK,),
            (OK[:10], OK[10:]),
            (OK[:-1], OK[-1:]),
            (CHUNKED + b"2\r\nok\r\n0\r\n\r\n",),
            (CHUNKED, b"2\r\nok\r\n0\r\nA: b\r\n\r", b"\n"),
            (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",),
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",),
        ):
            line, _ = self.after(*segments)
            self.assertEqual(self.agent.pool.idle, 1, segments)
            self.assertEqual((line.aborted, line.producerState), (False, "producing"), segments)
            self.assert_good(line)
            self.network.advance(LIFE_WHEN_IDLE)
            self.network.advance(0)

    def assert_good(self, line: Line) -> None:
        """Assert that a connection takes another request."""
        asked = self.ask()
        self.assertTrue(line.received().startswith(b"GET "))
        line.send(OK)
        self.assertEqual(self.successResultOf(asked).phrase, b"OK")

    def test_at_once(self) -> None:
        """Whoever gets an answer that is all here can ask the next thing on its connection."""
        line, asked = self.accept_request()
        asked.addCallback(lambda _: self.ask(target=b"/next"))
        line.send(OK)
        self.assertTrue(line.received().startswith(b"GET /next "))
        line.send(OK)
        self.assertEqual(self.successResultOf(asked).code, 200)

    def test_hints_again(self) -> None:
        """Each answer may have as many interim ones before it."""
        hints = b"HTTP/1.1 103 Early Hints\r\n\r\n" * MOST_INTERIMS
        line, _ = self.after(hints + OK)
        asked = self.ask()
        line.send(hints + OK)
        self.assertEqual(self.successResultOf(asked).code, 200)

    def test_kept_after_head(self) -> None:
        """The length in an answer to HEAD is not waited for."""
        line, sink = self.after(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", method=b"HEAD")
        self.assertEqual((line.aborted, sink.data, self.agent.pool.idle), (False, b"", 1))

    def test_excess(self) -> None:
        """Bytes behind an answer would be taken for the next one, so there is none."""
        excess = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ns3cret"
        for segments in (
            (OK + excess,),
            (OK[:-1], OK[-1:] + excess),
            (CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + excess,),
            (CHUNKED + b"2\r\nok\r\n", b"0\r\n\r\n\r\n"),
            (b"HTTP/1.1 204 No Content\r\n\r\nx",),
        ):
            line, sink = self.after(*segments)
            self.assertNotIn(b"s3cret", sink.data)
            self.assertTrue(line.aborted, segments)
            self.assertEqual(self.agent.pool.idle, 0)

    def test_body_after_head(self) -> None:
        """Some servers send a body where there is none."""
        line, _ = self.after(OK, method=b"HEAD")
        self.assertTrue(line.aborted)

    def test_not_persistent(self) -> None:
        """An upstream that closes, or speaks an older version, is asked nothing more."""
        for head in (
            b"HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ):
            line, _ = self.after(head)
            self.assertTrue(line.aborted)

    def test_unasked(self) -> None:
        """What comes on an idle connection is no answer to the next request."""
        line = self.idle_line()
        line.send(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
        self.assertTrue(line.aborted)
        asked = self.ask()
        fresh = self.network.accept()
        self.assertTrue(fresh.received().startswith(b"GET "))
        fresh.send(OK)
        self.assertEqual(self.successResultOf(asked).code, 200)

    def test_closed_while_idle(self) -> None:
        """A connection that the upstream closed is forgotten."""
        self.idle_line().hang_up()
        self.assertEqual((self.agent.pool.idle, self.agent.pool.standing), (0, 0))
        self.ask()
        self.assertEqual(len(self.network.dialled), 1)


class MalformedTests(AgentTestCase):
    """Answers that could be read in more than one way."""

    def test_refused(self) -> None:
        """They are errors, and cost their connections."""
        for head in (
            b"Content-Length: 2\r\nContent-Length: 2",
            b"Content-Length: 2\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: gzip",
            b"Content-Length: 0x2",
            b"A : b",
        ):
            line, asked = self.accept_request()
            line.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nok")
            self.failureResultOf(asked, UpstreamUnavailable)
            self.assertTrue(line.aborted, head)

    def test_first_chunk(self) -> None:
        """A body that is broken from its first byte is none."""
        line, asked = self.accept_request()
        line.send(CHUNKED + b"xyz\r\n")
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assertTrue(line.aborted)


class ConnectionTests(SynchronousTestCase):
    """A connection by itself."""

    def setUp(self) -> None:
        """Make one."""
        self.clock = Clock()
        surroundings = Surroundings(self.clock, TIMEOUTS, Pool(), Statistics())
        self.connection = Connection(ORIGIN, "the upstream", surroundings)
        self.line = Line(self.connection, self.clock, ("192.0.2.1", 80))
        self.connect()

    def connect(self) -> None:
        """Let the connection stand."""
        IProtocol(self.connection).makeConnection(self.line)

    def test_never_asked(self) -> None:
        """One that gets no request, as another address was quicker, does not stand for ever."""
        self.clock.advance(LIFE_WHEN_IDLE - 1)
        self.assertFalse(self.line.aborted)
        self.clock.advance(1)
        self.assertTrue(self.line.aborted)

    def test_after_the_end(self) -> None:
        """What a connection delivers although it was cut is not looked at."""
        asked = self.connection.request(b"GET")
        self.connection.dataReceived(b"garbage\r\n\r\n")
        self.failureResultOf(asked, UpstreamUnavailable)
        self.connection.dataReceived(OK)
        self.connection.dataReceived(b"garbage\r\n\r\n")
        self.failureResultOf(self.connection.request(b"GET"), Unanswered)
        self.assertEqual(self.line.received(), b"GET")
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cut_once(self) -> None:
        """It is not cut again when it is cut, nor when it is gone: TLS does not take that."""
        aborted: list[bool] = []
        self.patch(self.line, "abortConnection", lambda: aborted.append(True))
        self.connection.abort()
        self.connection.abort()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.connection.connectionLost()
        self.connection.abort()
        self.assertEqual(aborted, [True])
        self.connect()
        self.connection.connectionLost()
        self.connection.abort()
        self.assertEqual(aborted, [True])
