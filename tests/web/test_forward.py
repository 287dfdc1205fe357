"""Tests of forwarding: what of a device's request reaches the Mender Server."""

from __future__ import annotations

from menderproxy.upstream.errors import BadRequestTarget, UpstreamTimeout, UpstreamUnavailable
from tests.web.device import HOST
from tests.web.fakes import Asked, FakeAnswer
from tests.web.testcase import API, SiteTestCase


class RequestTests(SiteTestCase):
    """The request that goes on."""

    def forwarded(
        self,
        method: bytes = b"GET",
        target: bytes = API,
        *headers: tuple[bytes, bytes],
        secure: bool = False,
        address: str = "192.0.2.7",
    ) -> Asked:
        """Let a device ask, and give what reached the upstream."""
        device = self.device(secure=secure, address=address)
        device.ask(method, target, *headers)
        device.hang_up()
        return self.agent.asked.pop()

    def test_methods(self) -> None:
        """The method is passed on as it is."""
        for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"X"):
            self.assertEqual(self.forwarded(method).method, method)

    def test_targets(self) -> None:
        """Path and query are passed on byte for byte."""
        for path in (
            b"x",
            b"x?",
            b"x??y",
            b"x;y;",
            b"x//y///",
            b"a%2fb%2Fc%zz%",
            b"x?a=b&a=b&&=",
            b'x?u=https://e.example/%20+|"<>^`{}',
            b"x?../..",
            b"...",
            b"x#y",
            b"%E2%82%ac",
        ):
            target = b"/api/devices/v1/" + path
            self.assertEqual(self.forwarded(b"GET", target).target, target)

    def test_body(self) -> None:
        """A body is passed on byte for byte; without one there is none."""
        self.assertIsNone(self.forwarded().body)
        body = bytes(range(256)) + b'{"a":"\\u0026"}\n'
        self.device().ask(b"POST", API, body=body)
        self.assertEqual(self.agent.asked[-1].body, body)
        self.device().send(
            b"POST %b HTTP/1.1\r\n%b: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Trailer: y\r\n\r\n" % (API, *HOST)
        )
        self.assertEqual(self.agent.asked[-1].body, b"abc0123456789")
        self.assertEqual(self.agent.asked[-1].values(b"transfer-encoding"), [])
        self.assertEqual(self.agent.asked[-1].values(b"x-trailer"), [])

    def test_form(self) -> None:
        """A form is bytes like any other body."""
        for kind in (b"application/x-www-form-urlencoded", b"multipart/form-data"):
            device = self.device()
            device.ask(b"POST", API, (b"Content-Type", kind), body=b"a=b&c")
            self.assertEqual(self.agent.asked.pop().body, b"a=b&c")
            device.hang_up()

    def test_headers(self) -> None:
        """End-to-end headers are passed on with their duplicates, in their order."""
        asked = self.forwarded(
            b"GET",
            API,
            (b"Authorization", b"Bearer token"),
            (b"X-Men-Signature", b"c2ln"),
            (b"Accept", b"one"),
            (b"accept", b"two"),
            (b"Accept-Encoding", b"gzip"),
            (b"Cookie", b"a=b"),
        )
        self.assertEqual(asked.values(b"authorization"), [b"Bearer token"])
        self.assertEqual(asked.values(b"x-men-signature"), [b"c2ln"])
        self.assertEqual(asked.values(b"accept"), [b"one", b"two"])
        self.assertEqual(asked.values(b"accept-encoding"), [b"gzip"])
        self.assertEqual(asked.values(b"cookie"), [b"a=b"])

    def test_hop_by_hop(self) -> None:
        """Headers for this connection only stay here, those that Connection names as well."""
        hop_by_hop = (
            (b"Connection", b"X-Mine, authorization"),
            (b"Keep-Alive", b"timeout=5"),
            (b"TE", b"trailers"),
            (b"Upgrade", b"h2c"),
            (b"Proxy-Authorization", b"x"),
            (b"X-Mine", b"x"),
            (b"Expect", b"100-continue"),
        )
        asked = self.forwarded(b"GET", API, *hop_by_hop, (b"Authorization", b"Bearer token"))
        for name, _ in hop_by_hop:
            self.assertEqual(asked.values(name), [], name)
        self.assertEqual(asked.values(b"authorization"), [b"Bearer token"])

    def test_own_headers(self) -> None:
        """Host is the upstream's; who asked, and how, is ours to say, whatever a device claims."""
        claims = (
            (b"X-Forwarded-For", b"10.0.0.1"),
            (b"X-Forwarded-Proto", b"ftp"),
            (b"X-Forwarded-Host", b"evil.example"),
            (b"Forwarded", b"for=10.0.0.1"),
            (b"X-Real-IP", b"10.0.0.1"),
        )
        for secure, address, seen in (
            (True, "192.0.2.9", b"192.0.2.9"),
            (False, "::ffff:192.0.2.9", b"192.0.2.9"),
            (False, "2001:db8::1", b"2001:db8::1"),
        ):
            asked = self.forwarded(b"GET", API, *claims, secure=secure, address=address)
            self.assertEqual(asked.values(b"host"), [b"mender.example"])
            self.assertEqual(asked.values(b"x-forwarded-for"), [seen])
            self.assertEqual(asked.values(b"x-forwarded-proto"), [b"https" if secure else b"http"])
            for gone in (b"x-forwarded-host", b"forwarded", b"x-real-ip"):
                self.assertEqual(asked.values(gone), [])


class FailureTests(SiteTestCase):
    """An upstream that gives no answer."""

    def test_statuses(self) -> None:
        """No answer is a 502, a late one a 504, as JSON with its length, on an open connection."""
        for error, status in (
            (UpstreamUnavailable("refused"), 502),
            (UpstreamTimeout("too late"), 504),
            (BadRequestTarget("bad"), 400),
        ):
            device = self.device()
            device.ask(b"GET", API)
            self.agent.asked.pop().fail(error)
            reply = device.reply()
            self.assertEqual(reply.status, status)
            self.assertEqual(reply[b"Content-Length"], b"%d" % len(reply.body))
            self.assertFalse(device.closed)
            device.hang_up()

    def test_gone_while_asking(self) -> None:
        """When the device goes away before the answer, the upstream's connection is dropped."""
        device = self.device()
        device.ask(b"GET", API)
        asked = self.agent.asked[0]
        self.assertFalse(asked.given_up)
        device.hang_up()
        self.assertTrue(asked.given_up)

    def test_gone_in_the_body(self) -> None:
        """The same when it goes away in the answer's body."""
        for length in (100, None):
            device = self.device()
            device.ask(b"GET", API)
            answer = self.agent.asked.pop().answer(FakeAnswer(200, length=length))
            answer.send(b"half")
            self.assertFalse(answer.aborted)
            device.hang_up()
            self.assertTrue(answer.aborted)

    def test_broken_answer(self) -> None:
        """An answer that breaks off leaves a broken connection, and never a whole answer."""
        for length in (100, None):
            device = self.device()
            device.ask(b"GET", API)
            answer = self.agent.asked.pop().answer(FakeAnswer(200, length=length))
            answer.send(b"half")
            answer.break_off(UpstreamUnavailable("cut"))
            self.assertTrue(device.cut)
            self.assertFalse(device.received.endswith(b"0\r\n\r\n"))
            device.hang_up()

    def test_short_answer(self) -> None:
        """So does one that ends before the length that its head promised, or goes beyond it."""
        for sent in (b"short", b"much too long"):
            device = self.device()
            device.ask(b"GET", API)
            answer = self.agent.asked.pop().answer(FakeAnswer(200, length=10))
            answer.send(sent)
            answer.end()
            self.assertTrue(device.cut, sent)
            device.hang_up()


class BackpressureTests(SiteTestCase):
    """A device that does not follow."""

    def setUp(self) -> None:
        """Have a device in the middle of an answer."""
        super().setUp()
        self.slow = self.device()
        self.slow.ask(b"GET", API)
        self.answer = self.agent.asked[0].answer(FakeAnswer(200, length=100))
        self.answer.send(b"x" * 10)

    def test_paused(self) -> None:
        """A device that reads nothing pauses the upstream, until it reads on."""
        self.slow.stop_reading()
        self.slow.stop_reading()
        self.assertTrue(self.answer.paused)
        self.pass_time(299)
        self.slow.read_on()
        self.assertFalse(self.answer.paused)
        self.pass_time(1000)
        self.assertFalse(self.slow.cut)

    def test_stalled(self) -> None:
        """One that goes on reading nothing is cut off, and the upstream dropped."""
        self.slow.stop_reading()
        self.pass_time(150)
        self.slow.stop_reading()
        self.pass_time(149)
        self.assertFalse(self.slow.cut)
        self.pass_time(1)
        self.assertTrue(self.slow.cut)
        self.assertTrue(self.answer.aborted)
