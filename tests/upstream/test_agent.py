"""Requests go out exactly as given, in time, and never twice for no reason."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from menderproxy.upstream.agent import Answer
from menderproxy.upstream.errors import (
    BadRequestTarget,
    Unanswered,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.network import Line, Network
from tests.upstream.sink import Sink
from tests.upstream.testcase import HOST, ORIGIN, AgentTestCase

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RequestTests(AgentTestCase):
    """The bytes of a request."""

    def sent(self, **request: object) -> bytes:
        """Give the bytes that a request is on the wire."""
        self.ask(**request)  # type: ignore[arg-type]
        return self.network.accept().received()

    def test_targets_are_exact(self) -> None:
        """A target goes out byte for byte, however odd it is."""
        for target in (
            b"/",
            b"/path?",
            b"/path;",
            b"/a;b=c?d;e",
            b"/a|b",
            b"/a%2fb%2Fc",
            b"//a",
            b"/../a/./b//",
            b"/?X-Amz-Signature=a%2Bb&c",
            b"/%zz",
            b"/~!$&'()*+,:@\"<>^`{}[]\\",
        ):
            request_line = self.sent(target=target).partition(b"\r\n")[0]
            self.assertEqual(request_line, b"GET " + target + b" HTTP/1.1")

    def test_duplicate_headers_are_kept(self) -> None:
        """Headers with the same name all go out, in their order."""
        head = self.sent(headers=[HOST, (b"X-A", b"1"), (b"X-B", b"2"), (b"X-A", b"3")])
        lines = head.split(b"\r\n")
        self.assertEqual(
            [line for line in lines if line.startswith(b"X-A")], [b"X-A: 1", b"X-A: 3"]
        )
        self.assertIn(b"X-B: 2", lines)

    def test_a_body_has_its_length(self) -> None:
        """A body is sent whole, under its Content-Length."""
        head, _, body = self.sent(method=b"POST", body=b"12345").partition(b"\r\n\r\n")
        self.assertIn(b"\r\nContent-Length: 5", head)
        self.assertNotIn(b"Transfer-Encoding", head)
        self.assertEqual(body, b"12345")

    def test_no_body_has_no_length(self) -> None:
        """A GET without a body says nothing about one."""
        head = self.sent()
        self.assertNotIn(b"Content-Length", head)
        self.assertNotIn(b"Transfer-Encoding", head)

    def test_an_empty_post_has_length_zero(self) -> None:
        """A POST without a body says so: servers may insist on a length."""
        self.assertIn(b"\r\nContent-Length: 0\r\n", self.sent(method=b"POST"))

    def test_a_bad_target_goes_nowhere(self) -> None:
        """A target that HTTP has no place for is refused without a connection, nor quoted."""
        for target in (b"/a b?signature=s3cret", b"/\xff?signature=s3cret", b"/a\r\nX: y", b""):
            refused = self.failureResultOf(self.ask(target=target), BadRequestTarget)
            self.assertNotIn("s3cret", str(refused.value))
        self.assertEqual(self.network.dialled, [])

    def test_a_refused_target_takes_no_turn(self) -> None:
        """A request that could not be sent leaves its turn to the next."""
        self.agent = self.agent_on(self.network, max_connections=1)
        self.failureResultOf(self.ask(target=b"/ "), BadRequestTarget)
        self.ask()
        self.assertEqual(len(self.network.dialled), 1)


class HeadTests(AgentTestCase):
    """The head of an answer."""

    def answer_to(self, response: bytes, method: bytes = b"GET") -> Answer:
        """Give the answer that a response is read as."""
        asked = self.ask(method)
        self.network.accept().send(response)
        return self.successResultOf(asked)

    def test_status_and_headers(self) -> None:
        """Status, phrase and headers come as sent, duplicates included, without the framing."""
        answer = self.answer_to(
            b"HTTP/1.1 418 I'm a teapot\r\nX-A: 1\r\nConnection: keep-alive\r\n"
            b"X-A: 2\r\nContent-Length: 7\r\n\r\n"
        )
        self.assertEqual((answer.code, answer.phrase, answer.length), (418, b"I'm a teapot", 7))
        self.assertEqual(answer.headers, [(b"X-A", b"1"), (b"X-A", b"2")])
        self.assertEqual(answer.header(b"x-a"), b"2")
        self.assertIsNone(answer.header(b"x-b"))

    def test_unknown_length(self) -> None:
        """A chunked answer has no length."""
        answer = self.answer_to(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertIsNone(answer.length)

    def test_length_of_a_head_request(self) -> None:
        """The answer to HEAD keeps the length that a GET would have."""
        answer = self.answer_to(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", b"HEAD")
        self.assertEqual(answer.header(b"content-length"), b"7")

    def test_interim_answers_are_skipped(self) -> None:
        """Early hints, and a switch of protocols that nobody asked for, are no answer."""
        answer = self.answer_to(
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK
        )
        self.assertEqual(answer.code, 200)
        self.assertIsNone(answer.header(b"link"))

    def test_garbage(self) -> None:
        """What is no HTTP is no usable answer, and its connection is cut."""
        line, asked = self.accept_request()
        line.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assertTrue(line.aborted)


class ReuseTests(AgentTestCase):
    """Connections are used again; those that died meanwhile cost one more try."""

    def test_reused(self) -> None:
        """The next request to the same origin takes the connection of the last."""
        line = self.idle_line()
        asked = self.ask(target=b"/2")
        self.assertTrue(line.received().startswith(b"GET /2 "))
        self.assertEqual(self.network.dialled, [])
        line.send(OK)
        self.assertEqual(self.successResultOf(asked).code, 200)

    def test_not_shared_between_origins(self) -> None:
        """A connection to one origin is no use for another."""
        self.idle_line()
        other = type(ORIGIN)("http", "mender.example.com", 8080)
        Deferred.fromCoroutine(self.agent.request(other, b"GET", b"/", [HOST]))
        self.assertEqual(self.network.dialled, [("192.0.2.1", 8080)])

    def test_retried_once_on_a_new_connection(self) -> None:
        """A request whose reused connection died goes out again on one that is new."""
        stale, also_stale = self.two_idle_lines()
        asked = self.ask(b"POST", b"/2", body=b"{}")
        self.assertTrue(stale.received().endswith(b"{}"))
        stale.hang_up()
        self.assertEqual(also_stale.received(), b"")
        fresh = self.network.accept()
        self.assertTrue(fresh.received().endswith(b"{}"))
        fresh.send(OK)
        self.assertEqual(self.successResultOf(asked).code, 200)

    def two_idle_lines(self) -> tuple[Line, Line]:
        """Give two connections that lie in the pool, in the order they will be used in."""
        (first, asked_first), (second, asked_second) = self.accept_request(), self.accept_request()
        for line, asked in ((first, asked_first), (second, asked_second)):
            line.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            self.successResultOf(asked).abort()
        return first, second

    def test_not_retried_twice(self) -> None:
        """When the new connection dies as well, the request has failed."""
        stale = self.idle_line()
        asked = self.ask()
        stale.hang_up()
        self.network.accept().hang_up()
        self.failureResultOf(asked, Unanswered)
        self.assertEqual(self.network.dialled, [])

    def test_a_new_connection_is_not_retried(self) -> None:
        """A request that died on a new connection may have been acted upon."""
        line, asked = self.accept_request()
        line.hang_up()
        self.failureResultOf(asked, Unanswered)
        self.assertEqual(self.network.dialled, [])

    def test_an_answered_request_is_not_retried(self) -> None:
        """Half a head is an answer: the request was acted upon."""
        line = self.idle_line()
        asked = self.ask()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Le")
        line.hang_up()
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assertEqual(self.network.dialled, [])

    def test_a_timeout_is_not_retried(self) -> None:
        """An upstream that was too slow on a reused connection is not asked again."""
        line = self.idle_line()
        asked = self.ask()
        self.network.advance(60)
        self.failureResultOf(asked, UpstreamTimeout)
        self.assertTrue(line.aborted)
        self.network.advance(0)
        self.assertEqual(self.network.dialled, [])

    def test_a_cancelled_request_is_not_retried(self) -> None:
        """Nobody wants the answer any more."""
        line = self.idle_line()
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertTrue(line.aborted)
        self.network.advance(0)
        self.assertEqual(self.network.dialled, [])

    def test_idle_connections_are_closed(self) -> None:
        """A connection is not kept for longer than the usual front ends keep it."""
        line = self.idle_line()
        self.network.advance(49)
        self.assertFalse(line.disconnecting)
        self.network.advance(1)
        self.assertTrue(line.disconnecting)

    def test_close(self) -> None:
        """Closing the agent cuts the connections, and leaves no timer behind."""
        (busy, asked), idle = self.accept_request(), self.idle_line()
        closing = Deferred.fromCoroutine(self.agent.close())
        self.assertTrue(busy.aborted)
        self.assertTrue(idle.aborted)
        self.network.advance(0)
        self.successResultOf(closing)
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assertEqual(self.network.getDelayedCalls(), [])


class TimeoutTests(AgentTestCase):
    """Nobody waits for ever."""

    def test_name_look_up(self) -> None:
        """A look-up that does not end is a timeout."""
        self.network = Network(**{"mender.example.com": None})
        self.agent = self.agent_on(self.network)
        asked = self.ask()
        self.network.advance(9)
        self.assertNoResult(asked)
        self.network.advance(1)
        self.failureResultOf(asked, UpstreamTimeout)

    def test_connect(self) -> None:
        """A connection that is not made in time is a timeout."""
        asked = self.ask()
        self.network.advance(10)
        error = self.failureResultOf(asked, UpstreamTimeout).value
        self.assertEqual(str(error), "http://mender.example.com:80: no connection within 10 s")

    def test_response(self) -> None:
        """An upstream that says nothing is a timeout, and its connection is cut."""
        line, asked = self.accept_request()
        self.network.advance(59)
        self.assertNoResult(asked)
        self.network.advance(1)
        error = self.failureResultOf(asked, UpstreamTimeout).value
        self.assertEqual(str(error), "http://mender.example.com:80: no answer within 60 s")
        self.assertTrue(line.aborted)

    def test_refused(self) -> None:
        """A refused connection is named."""
        asked = self.ask()
        self.network.refuse()
        self.network.advance(1)
        error = self.failureResultOf(asked, UpstreamUnavailable).value
        self.assertIn("http://mender.example.com:80: ConnectionRefusedError", str(error))

    def test_no_timer_survives_an_answer(self) -> None:
        """Once a body is over, nothing is left to happen but the close of the idle connection."""
        self.idle_line()
        self.assertEqual(len(self.network.getDelayedCalls()), 1)


class CancelTests(AgentTestCase):
    """A device that goes away ends what was done for it."""

    def test_during_the_look_up(self) -> None:
        """A cancelled look-up is a cancellation, not a name that doesn't exist."""
        self.network = Network(**{"mender.example.com": None})
        self.agent = self.agent_on(self.network)
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)

    def test_during_the_connection_attempt(self) -> None:
        """A cancelled attempt is given up."""
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_during_the_request(self) -> None:
        """The connection of a cancelled request is cut: its answer could be long."""
        line, asked = self.accept_request()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertTrue(line.aborted)
        self.network.advance(0)
        self.assertEqual(self.network.getDelayedCalls(), [])


class TurnTests(AgentTestCase):
    """No more than so many requests are in flight at once."""

    def setUp(self) -> None:
        """Allow one request at a time."""
        super().setUp()
        self.agent = self.agent_on(self.network, max_connections=1)

    def assert_next_goes(self, waiting: Deferred[Answer]) -> None:
        """Assert that a request that had to wait is on its way now."""
        self.network.accept().send(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.successResultOf(waiting).abort()

    def test_waits_for_the_body(self) -> None:
        """A request has to wait until the body before it is over, not only its head."""
        line, asked = self.accept_request()
        waiting = self.ask()
        line.send(OK[:-1])
        answer = self.successResultOf(asked)
        self.assertEqual(line.received(), b"")
        self.assertEqual(self.network.dialled, [])
        answer.deliver(Sink())
        line.send(b"k")
        self.assertTrue(line.received().startswith(b"GET "))
        self.assertNoResult(waiting)

    def test_after_an_abort(self) -> None:
        """An answer that nobody wants makes room."""
        line, asked = self.accept_request()
        waiting = self.ask()
        line.send(OK[:-1])
        self.successResultOf(asked).abort()
        self.assert_next_goes(waiting)

    def test_after_a_refused_connection(self) -> None:
        """A request that failed to connect makes room."""
        asked, waiting = self.ask(), self.ask()
        self.network.refuse()
        self.network.advance(1)
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assert_next_goes(waiting)

    def test_after_a_broken_connection(self) -> None:
        """A request that died makes room."""
        line, asked = self.accept_request()
        waiting = self.ask()
        line.hang_up()
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assert_next_goes(waiting)

    def test_after_a_timeout(self) -> None:
        """A request that took too long makes room."""
        _, asked = self.accept_request()
        waiting = self.ask()
        self.network.advance(60)
        self.failureResultOf(asked, UpstreamTimeout)
        self.assert_next_goes(waiting)

    def test_after_a_cancel(self) -> None:
        """A request that was given up makes room."""
        _, asked = self.accept_request()
        waiting = self.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assert_next_goes(waiting)

    def test_cancelled_while_waiting(self) -> None:
        """A request that gave up its place in the queue never goes out."""
        line, asked = self.accept_request()
        waiting, last = self.ask(target=b"/never"), self.ask(target=b"/last")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        line.hang_up()
        self.failureResultOf(asked, Unanswered)
        self.assertTrue(self.network.accept().received().startswith(b"GET /last "))
        self.assertNoResult(last)
