"""Connections are used again, unless they are too old, too many, or gone."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from menderproxy.upstream.connector import Origin
from menderproxy.upstream.errors import Unanswered, UpstreamTimeout, UpstreamUnavailable
from menderproxy.upstream.pool import MOST_IDLE
from tests.network import Line
from tests.upstream.testcase import AgentTestCase

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


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
        self.ask(origin=Origin("http", "mender.example.com", 8080))
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
        return second, first

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
        self.assertFalse(line.aborted)
        self.network.advance(1)
        self.assertTrue(line.aborted)

    def test_left_alone(self) -> None:
        """An answer that was not read to its end leaves a connection of no use to others."""
        line, asked = self.accept_request()
        line.send(OK[:-1])
        self.successResultOf(asked).abort()
        self.ask()
        self.assertEqual(len(self.network.dialled), 1)

    def test_busy_is_not_idle(self) -> None:
        """The age of a connection does not count while it is in use."""
        line = self.idle_line()
        self.network.advance(49)
        asked = self.ask()
        self.network.advance(59)
        self.assertFalse(line.aborted)
        line.send(OK)
        self.assertEqual(self.successResultOf(asked).code, 200)

    def test_close_is_final(self) -> None:
        """What closing the agent cuts off is not sent again on another connection."""
        self.idle_line()
        asked = self.ask()
        Deferred.fromCoroutine(self.agent.close())
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assertEqual(self.network.dialled, [])

    def test_close(self) -> None:
        """Closing the agent cuts the connections, and leaves no timer behind."""
        (busy, asked), idle = self.accept_request(), self.idle_line()
        closing = Deferred.fromCoroutine(self.agent.close())
        self.assertTrue(busy.aborted)
        self.assertTrue(idle.aborted)
        self.assertNoResult(closing)
        self.network.advance(0)
        self.successResultOf(closing)
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assertEqual(self.network.getDelayedCalls(), [])


class PoolTests(AgentTestCase):
    """Which of several connections is used, and how many there may be."""

    def idle_lines(self, count: int) -> list[Line]:
        """Give connections that lie in the pool, in the order in which they got there."""
        begun = [self.accept_request() for _ in range(count)]
        for line, asked in begun:
            line.send(OK)
            self.successResultOf(asked).abort()
        return [line for line, _ in begun]

    def test_last_first(self) -> None:
        """The one that was used last is used first: it is the least likely to be closed."""
        first, second, third = self.idle_lines(3)
        for line in (third, second, first):
            self.ask()
            self.assertTrue(line.received().startswith(b"GET "))
        self.assertEqual(self.network.dialled, [])

    def test_not_one_that_is_cut(self) -> None:
        """One that was cut a moment ago is left out, and the next one used."""
        good, bad = self.idle_lines(2)
        bad.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        self.ask()
        self.assertTrue(good.received().startswith(b"GET "))

    def test_most(self) -> None:
        """Of too many the oldest is closed."""
        lines = self.idle_lines(MOST_IDLE + 1)
        self.assertEqual([line.aborted for line in lines], [True] + MOST_IDLE * [False])
        self.network.advance(0)
        self.assertEqual((self.agent.pool.idle, self.agent.pool.standing), (MOST_IDLE, MOST_IDLE))
