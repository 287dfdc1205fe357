"""The gateway's own calls: what goes out, and which answers are taken."""

from __future__ import annotations

import gzip
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IResponse

from menderproxy.upstream.control import (
    LARGEST_ANSWER,
    WholeResponse,
    control_client,
    pause_asked,
)
from menderproxy.upstream.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from tests.network import Line
from tests.upstream.testcase import ORIGIN, AgentTestCase


class ControlTestCase(AgentTestCase):
    """Has a client on a network in memory."""

    def setUp(self) -> None:
        """Make it."""
        super().setUp()
        self.client: HTTPClient = control_client(
            self.network, self.agent, ORIGIN, b"front.example.com:8443", timeout=30
        )

    def post(self, **options: Any) -> tuple[Line, Deferred[bytes]]:
        """Make a call, up to where its body is read."""
        asked = self.begin(self.content(**options))
        return self.network.accept(), asked

    async def content(self, **options: Any) -> bytes:
        """Make a call, and give the body of its answer."""
        response = await self.client.post("/api/x;y?z=%2F&", **options)
        return await response.content()


class RequestTests(ControlTestCase):
    """What goes out."""

    def test_request(self) -> None:
        """The request goes to the one server, with its Host, and asks for a plain answer."""
        line, _ = self.post(json={"a": [1]}, headers={"X-A": "1"})
        head, _, body = line.received().partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.assertEqual(line.peer[1], ORIGIN.port)
        self.assertEqual(lines[0], b"POST /api/x;y?z=%2F& HTTP/1.1")
        self.assertEqual(
            sorted(line for line in lines[1:] if not line.startswith(b"Connection")),
            [
                b"Accept-Encoding: identity",
                b"Content-Length: 9",
                b"Content-Type: application/json; charset=UTF-8",
                b"Host: front.example.com:8443",
                b"X-A: 1",
            ],
        )
        self.assertEqual(body, b'{"a":[1]}')

    def test_no_cookies(self) -> None:
        """A cookie that the server sets is not sent back."""
        line, asked = self.post()
        line.received()
        line.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.successResultOf(asked), b"")
        self.begin(self.content())
        self.assertNotIn(b"Cookie", line.received())
        self.assertEqual(self.flushWarnings(), [])


class AnswerTests(ControlTestCase):
    """Which answers are taken."""

    def assert_refused(self, *parts: bytes, saying: str) -> None:
        """Check that an answer is an error, and costs its connection."""
        line, asked = self.post()
        line.send(*parts)
        error = self.failureResultOf(asked, UpstreamUnavailable).value
        self.assertIn(saying, str(error))
        self.assertTrue(line.aborted)
        self.network.advance(0)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_whole(self) -> None:
        """The body comes whole, in however many pieces it arrived."""
        line, asked = self.post()
        line.send(b"HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\na", b"bc")
        self.assertNoResult(asked)
        line.send(b"d")
        self.assertEqual(self.successResultOf(asked), b"abcd")

    def test_largest(self) -> None:
        """A body of exactly 1 MiB is taken."""
        line, asked = self.post()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGEST_ANSWER)
        line.send(b"a" * LARGEST_ANSWER)
        self.assertEqual(len(self.successResultOf(asked)), LARGEST_ANSWER)

    def test_too_large(self) -> None:
        """A larger one is refused as soon as that shows."""
        self.assert_refused(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n",
            b"a" * (LARGEST_ANSWER + 1),
            saying="more than 1048576 B",
        )

    def test_redirect(self) -> None:
        """A redirect is not followed."""
        self.assert_refused(
            b"HTTP/1.1 302 Found\r\nLocation: //evil.example.org/\r\nContent-Length: 9\r\n\r\n",
            saying="answers with a redirect (302): is UpstreamServer.URL right?",
        )
        self.assertEqual(self.network.dialled, [])

    def test_compressed(self) -> None:
        """A compressed answer, of whatever size once it is unpacked, is refused."""
        packed = gzip.compress(bytes(LARGEST_ANSWER))
        self.assert_refused(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
            % len(packed),
            saying="compresses",
        )

    def test_without_an_end(self) -> None:
        """A body that only the closed connection ends may be a part of itself."""
        line, asked = self.post()
        line.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")
        line.hang_up()
        self.failureResultOf(asked, UpstreamUnavailable)

    def test_cut(self) -> None:
        """An answer that breaks off is an error."""
        line, asked = self.post()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc")
        line.hang_up()
        self.failureResultOf(asked, UpstreamError)

    def test_too_slow(self) -> None:
        """A body that trickles in has as long as the whole call has."""
        line, asked = self.post()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        for _ in range(3):
            self.network.advance(9)
            line.send(b"a")
        self.assertNoResult(asked)
        self.network.advance(3)
        error = self.failureResultOf(asked, UpstreamTimeout).value
        self.assertEqual(str(error), f"{ORIGIN}: no whole answer within 30 s")
        self.assertTrue(line.aborted)

    def test_cancelled(self) -> None:
        """A call that nobody wants any more is cut off."""
        for head in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na"):
            line, asked = self.post()
            line.send(head)
            asked.cancel()
            self.failureResultOf(asked, CancelledError)
            self.assertTrue(line.aborted)

    def test_unreachable(self) -> None:
        """A server that can't be reached is an upstream error like any other."""
        asked = Deferred.fromCoroutine(self.content())
        self.network.refuse()
        self.network.advance(1)
        self.failureResultOf(asked, UpstreamUnavailable)


class PauseTests(SynchronousTestCase):
    """How long an answer asks us to wait."""

    def asked(self, code: int, *values: bytes) -> float | None:
        """Give the pause that an answer with these Retry-After headers asks for."""
        response: IResponse = WholeResponse(
            code, [(b"Retry-After", value) for value in values], b""
        )
        return pause_asked(response)

    def test_seconds(self) -> None:
        """Both statuses that ask for a pause may say how long, up to ten minutes."""
        self.assertEqual(self.asked(429, b"7"), 7)
        self.assertEqual(self.asked(503, b" 7 "), 7)
        self.assertEqual(self.asked(429, b"86400"), 600)

    def test_unsaid(self) -> None:
        """Too many requests are a reason to wait a little in any case."""
        self.assertEqual(self.asked(429), 5)
        self.assertEqual(self.asked(429, b"soon"), 5)
        self.assertIsNone(self.asked(503))

    def test_other_answers(self) -> None:
        """No other status asks for a pause."""
        for code in (200, 201, 401, 409, 500):
            self.assertIsNone(self.asked(code, b"7"))
