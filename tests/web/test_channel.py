"""Tests of a device's connection: its deadlines, and how it is closed."""

from __future__ import annotations

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

    def test_too_many(self) -> None:
        """A device that goes on sending requests while one is answered is not read any more."""
        device = self.device()
        device.send(HEAD + b"\r\n")
        self.assertEqual(device.line.producerState, "producing")
        device.send((HEAD + b"\r\n") * 500)
        self.assertEqual(device.line.producerState, "paused")
