"""Requests go out exactly as given, in time, and never twice for no reason."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from menderproxy.upstream.agent import Answer
from menderproxy.upstream.client import MOST_INTERIMS
from menderproxy.upstream.errors import (
    BadRequestTarget,
    Unanswered,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from menderproxy.wire.response_head import LONGEST
from tests.network import Line, Network
from tests.upstream.sink import Sink
from tests.upstream.testcase import HOST, AgentTestCase

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

    def test_written_at_once(self) -> None:
        """Head and body leave in one piece, not in two packets of which one is nearly empty."""
        written: list[bytes] = []
        self.patch(Line, "write", lambda line, data: written.append(data))
        self.ask(b"POST", body=b"12345")
        self.network.accept()
        self.assertEqual(len(written), 1)
        self.assertTrue(written[0].endswith(b"\r\n\r\n12345"))

    def test_without_delay(self) -> None:
        """Nor does TCP wait for more before it sends the request."""
        asked_for: list[bool] = []
        self.patch(Line, "setTcpNoDelay", lambda line, enabled: asked_for.append(enabled))
        self.ask()
        self.network.accept()
        self.assertEqual(asked_for, [True])

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

    def test_too_many_interim_answers(self) -> None:
        """An upstream that has nothing but hints to give is not listened to for ever."""
        hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
        answer = self.answer_to(hint * MOST_INTERIMS + OK[:-1])
        self.assertEqual(answer.code, 200)
        line, asked = self.accept_request()
        line.send(hint * MOST_INTERIMS, hint)
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assertTrue(line.aborted)

    def test_in_pieces(self) -> None:
        """It makes no difference in how many segments a head comes."""
        head = b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n"
        line, asked = self.accept_request()
        line.send(*(head[i : i + 1] for i in range(len(head))))
        self.assertEqual(self.successResultOf(asked).headers, [(b"X-A", b"1")])

    def test_garbage(self) -> None:
        """What is no HTTP is no usable answer, and its connection is cut, without waiting."""
        for garbage in (
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"SSH",
            b"HTTP/1.1 20",
            b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * LONGEST,
        ):
            line, asked = self.accept_request()
            line.send(garbage)
            if garbage == b"HTTP/1.1 20":
                self.assertNoResult(asked)
                line.send(b"x")
            error = self.failureResultOf(asked, UpstreamUnavailable).value
            self.assertIn("http://mender.example.com:80: the ", str(error))
            self.assertTrue(line.aborted, garbage)
            self.assertEqual(self.network.dialled, [])


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
