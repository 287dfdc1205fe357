"""Tests of a device's connection: its deadlines, and how it is closed."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

from twisted.internet.interfaces import IAddress, IDelayedCall

from tests.web.device import HOST, replies
from tests.web.fakes import FakeAnswer
from tests.web.testcase import API, LIMITS, SiteTestCase

HEAD = b"GET %b HTTP/1.1\r\nHost: gateway.example\r\n" % API


class DeadlineTests(SiteTestCase):
    """How long a device may take for its part."""

    def test_silence(self) -> None:
        """A device that connects and says nothing is cut off."""
        device = self.device()
        self.pass_time(LIMITS.header_timeout - 1)
        self.assertFalse(device.cut)
        self.pass_time(1)
        self.assertTrue(device.cut)

    def test_trickle(self) -> None:
        """A device that sends a byte of the head now and then is cut off all the same."""
        device = self.device()
        for byte in HEAD[: int(LIMITS.header_timeout)]:
            self.assertFalse(device.cut)
            device.send(bytes([byte]))
            self.pass_time(1)
        self.assertTrue(device.cut)

    def test_next_head(self) -> None:
        """The deadline for the next head starts with its first byte, not when the last ended."""
        device = self.device()
        device.ask(b"GET", b"/nothing")
        self.pass_time(LIMITS.header_timeout + 5)
        self.assertFalse(device.cut)
        for byte in HEAD[: int(LIMITS.header_timeout)]:
            self.assertFalse(device.cut)
            device.send(bytes([byte]))
            self.pass_time(1)
        self.assertTrue(device.cut)

    def test_pipelined_head(self) -> None:
        """A head that came half before the last answer has the same time from then on."""
        device = self.device()
        device.send(HEAD + b"\r\n" + HEAD)
        self.pass_time(LIMITS.header_timeout + 5)
        self.agent.asked[0].answer(FakeAnswer(204, length=0)).end()
        self.pass_time(LIMITS.header_timeout - 1)
        self.assertFalse(device.cut)
        self.pass_time(1)
        self.assertTrue(device.cut)

    def test_body(self) -> None:
        """A body that trickles is cut off at its own deadline."""
        device = self.device()
        device.send(b"PUT %b HTTP/1.1\r\n%b: %b\r\n" % (API, *HOST))
        self.pass_time(LIMITS.header_timeout - 1)
        device.send(b"Content-Length: 500\r\n\r\n")
        for _ in range(int(LIMITS.body_timeout)):
            self.assertFalse(device.cut)
            device.send(b"x")
            self.pass_time(1)
        self.assertTrue(device.cut)
        self.assertEqual(self.agent.asked, [])

    def test_answering(self) -> None:
        """No deadline runs while a request is answered."""
        device = self.device()
        device.ask(b"PUT", API, body=b"[]")
        self.pass_time(1000)
        self.assertFalse(device.cut or device.closed)

    def test_silence_amid_a_request(self) -> None:
        """Who is silent for as long as may pass between two requests is closed amid one, too."""
        self.site = self.site_with(self.resources(), idle_timeout=5.0)
        for sent in (HEAD, HEAD + b"Content-Length: 500\r\n\r\nx"):
            device = self.device()
            device.send(sent)
            self.pass_time(4)
            device.send(b"x")
            self.pass_time(4)
            self.assertFalse(device.closed or device.cut)
            self.pass_time(1)
            self.assertTrue(device.closed)
            device.hang_up()

    def timers(self) -> list[float]:
        """Give the seconds after which each timer fires that is started from now on."""
        started: list[float] = []
        start = self.clock.callLater

        def call_later(seconds: float, *arguments: Any) -> IDelayedCall:
            started.append(seconds)
            return start(seconds, *arguments)

        self.patch(self.clock, "callLater", call_later)
        return started

    def test_late_timer(self) -> None:
        """Bytes may come when a deadline has passed that no timer has told of yet."""
        started = self.timers()
        self.clock.rightNow = 0.001
        device = self.device()
        # So much later that what is left does not add up to the deadline exactly.
        self.clock.rightNow = 33.300999999999995
        device.send(HEAD)
        self.assertGreaterEqual(min(started), 0)
        self.clock.advance(0.001)
        self.assertTrue(device.cut)

    def test_few_timers(self) -> None:
        """A connection's timer is not started anew for each request."""
        started = self.timers()
        device = self.device()
        for _ in range(100):
            device.ask(b"GET", API)
            self.agent.asked.pop().answer(FakeAnswer(204, length=0)).end()
            self.pass_time(1)
        self.assertLess(len(started), 10)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        device.hang_up()

    def test_one_timer(self) -> None:
        """A connection for one request has one timer, for its close as well."""
        started = self.timers()
        device = self.device()
        self.pass_time(1)
        device.ask(b"GET", b"/nothing", (b"Connection", b"close"))
        self.pass_time(3)
        self.assertEqual(len(started), 1)
        device.hang_up()

    def test_idle(self) -> None:
        """A connection is closed when it was idle for long enough after its last answer."""
        device = self.device()
        self.pass_time(5)
        device.ask(b"GET", b"/nothing")
        self.pass_time(LIMITS.idle_timeout - 1)
        self.assertFalse(device.closed)
        self.pass_time(1)
        self.assertTrue(device.closed)


class CloseTests(SiteTestCase):
    """How a connection ends."""

    def test_asked_for(self) -> None:
        """After "Connection: close", in whatever list, the answer says so too."""
        for value in (b"close", b"Close", b"TE, close", b"keep-alive,close"):
            device = self.device()
            device.ask(b"GET", b"/nothing", (b"Connection", value))
            self.assertEqual(device.reply()[b"Connection"], b"close", value)
            self.assertTrue(device.closed)
            device.hang_up()

    def test_kept(self) -> None:
        """Otherwise the connection stays open, and the answer says nothing about it."""
        device = self.device()
        device.ask(b"GET", b"/nothing", (b"Connection", b"keep-alive"))
        self.assertIsNone(device.reply()[b"Connection"])
        self.assertFalse(device.closed)

    def test_old_version(self) -> None:
        """A connection with HTTP/1.0 serves one request."""
        device = self.device()
        device.ask(b"GET", b"/nothing", (b"Connection", b"keep-alive"), version=b"HTTP/1.0")
        self.assertEqual(device.reply()[b"Connection"], b"close")
        self.assertTrue(device.closed)

    def test_forgotten(self) -> None:
        """A connection that is gone leaves no knot for the garbage collector to undo."""
        device = self.device()
        device.ask(b"GET", b"/nothing", (b"Connection", b"close"))
        channel = weakref.ref(device.channel)
        device.hang_up()
        self.addCleanup(gc.enable)
        gc.disable()
        del device
        self.assertIsNone(channel())

    def test_never_closes(self) -> None:
        """A device that does not let go of a closed connection is cut off."""
        device = self.device()
        device.ask(b"GET", b"/nothing", (b"Connection", b"close"))
        self.pass_time(4)
        self.assertFalse(device.cut)
        self.pass_time(1)
        self.assertTrue(device.cut)

    def test_never_closes_after_idling(self) -> None:
        """The same after an idle timeout."""
        device = self.device()
        device.ask(b"GET", b"/nothing")
        self.pass_time(LIMITS.idle_timeout)
        self.assertTrue(device.closed)
        # Twisted's own patience of fixed length would be a second timer.
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.pass_time(5)
        self.assertTrue(device.cut)

    def test_closed_in_time(self) -> None:
        """No timer outlives a connection."""
        for target, connection in ((b"/nothing", b"close"), (b"/nothing", b""), (API, b"")):
            device = self.device()
            device.ask(b"GET", target, (b"Connection", connection))
            device.hang_up()
            self.assertEqual(self.clock.getDelayedCalls(), [], (target, connection))

    def test_bytes_after_close(self) -> None:
        """What still comes after the last request is not served, as TLS would deliver it."""
        device = self.device()
        device.ask(b"GET", b"/nothing", (b"Connection", b"close"))
        device.send(HEAD + b"\r\n")
        self.assertEqual(device.reply().status, 404)
        self.assertEqual(self.agent.asked, [])


class PipeliningTests(SiteTestCase):
    """Several requests at once on one connection."""

    def test_order(self) -> None:
        """Answers come in the order of the requests, one upstream request at a time."""
        device = self.device()
        device.send(
            b"".join(
                b"PUT %b?%d HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\n\r\n%d" % (API, n, n)
                for n in range(3)
            )
        )
        for number in range(3):
            self.assertEqual(len(self.agent.asked), number + 1)
            asked = self.agent.asked[number]
            self.assertEqual((asked.target, asked.body), (b"%b?%d" % (API, number), b"%d" % number))
            answer = asked.answer(FakeAnswer(200 + number, length=3))
            answer.send(b"no%d" % number)
            answer.end()
        self.assertEqual(
            [(reply.status, reply.body) for reply in replies(device.received)],
            [(200, b"no0"), (201, b"no1"), (202, b"no2")],
        )

    def test_all_at_once(self) -> None:
        """Any number of requests may come at once; answers that are ready don't pile up."""
        device = self.device()
        count = 2 * sys.getrecursionlimit()
        device.send(b"GET /nothing HTTP/1.1\r\nHost: g\r\n\r\n" * count)
        self.assertEqual(len(replies(device.received)), count)

    def test_too_many(self) -> None:
        """A device that goes on sending requests while one is answered is not read any more."""
        device = self.device()
        device.send(HEAD + b"\r\n")
        self.assertEqual(device.line.producerState, "producing")
        device.send((HEAD + b"\r\n") * 500)
        self.assertEqual(device.line.producerState, "paused")

    def test_read_again(self) -> None:
        """It is read again once it has its answer."""
        device = self.device()
        device.send((HEAD + b"\r\n") * 500)
        self.assertEqual(device.line.producerState, "paused")
        for _ in range(500):
            self.agent.asked.pop().answer(FakeAnswer(204, length=0)).end()
        self.assertEqual(device.line.producerState, "producing")

    def test_read_again_when_full(self) -> None:
        """A device that asked while it took nothing is listened to again behind the answer."""
        device = self.device()
        device.stop_reading()
        device.ask(b"GET", API)
        device.read_on()
        self.agent.asked[0].answer(FakeAnswer(204, length=0)).end()
        self.assertEqual(device.line.producerState, "producing")

    def test_takes_nothing(self) -> None:
        """A device that takes no answer can't fill our memory with requests either."""
        device = self.device()
        device.send(HEAD + b"\r\n")
        device.stop_reading()
        device.send((HEAD + b"\r\n") * 500)
        self.assertEqual(device.line.producerState, "paused")


class BackpressureTests(SiteTestCase):
    """Connections that are full."""

    def test_full_from_the_start(self) -> None:
        """A body that begins while the connection is full waits for its turn."""
        device = self.device()
        device.stop_reading()
        device.ask(b"GET", API)
        answer = self.agent.asked.pop().answer(FakeAnswer(200, length=10))
        self.assertTrue(answer.paused)
        device.read_on()
        self.assertFalse(answer.paused)


class AddressTests(SiteTestCase):
    """What a channel tells its requests."""

    def test_asked_once(self) -> None:
        """The kernel is asked for our own address once in a connection's life."""
        device = self.device()
        asked: list[None] = []
        address: IAddress = device.line.getHost()

        def get_host() -> IAddress:
            asked.append(None)
            return address

        self.patch(device.line, "getHost", get_host)
        for _ in range(3):
            device.ask(b"GET", b"/nothing")
        self.assertEqual(len(asked), 1)
        self.assertIs(device.channel.getHost(), address)
