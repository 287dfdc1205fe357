"""Tests of requests that are refused before anybody looks at them, and of 100 Continue."""

from __future__ import annotations

from tests.web.device import Device
from tests.web.testcase import API, LIMITS, SiteTestCase

START = b"PUT %b HTTP/1.1\r\nHost: gateway.example\r\n" % API
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BEHIND = b"GET %b HTTP/1.1\r\nHost: gateway.example\r\n\r\n" % API


class RefusalTestCase(SiteTestCase):
    """Asks, and looks at how it was refused."""

    def assert_refused(self, raw: bytes, status: int) -> Device:
        """Send bytes that have to be refused, with nothing of them for the upstream."""
        device = self.device()
        device.send(raw)
        # TLS delivers what comes after we closed, and a second request must not get through.
        device.send(BEHIND)
        self.assertEqual(self.agent.asked, [], raw)
        reply = device.reply()
        self.assertEqual(reply.status, status, raw)
        self.assertEqual(reply[b"Connection"], b"close", raw)
        self.assertTrue(device.closed, raw)
        device.hang_up()
        return device


class MalformedTests(RefusalTestCase):
    """Heads that two programs could read in two ways, or that are none."""

    def test_malformed(self) -> None:
        """A malformed head gets a 400 without a body, and a closed connection."""
        for raw in (
            START + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            START + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            START + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            START + b"Content-Length: 3, 3\r\n\r\nabc",
            START + b"Content-Length: +3\r\n\r\nabc",
            START + b"Content-Length: -3\r\n\r\nabc",
            START + b"Content-Length: 0x3\r\n\r\nabc",
            START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            START + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
            START + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
            START + b"X-One: a\rX-Two: b\r\n\r\n",
            START + b"X-One: a\nX-Two: b\r\n\r\n",
            START + b"X-One: a\x00b\r\n\r\n",
            START + b"X-One: a\r\n b\r\n\r\n",
            START + b"X-One: a\r\n\tb\r\n\r\n",
            START + b" X-One: a\r\n\r\n",
            START + b"X One: a\r\n\r\n",
            START + b"X-One : a\r\n\r\n",
            START + b"X-One\r\n\r\n",
            START + b": a\r\n\r\n",
            b"PUT %b\r\n\r\n" % API,
            b"PUT  %b HTTP/1.1\r\nHost: g\r\n\r\n" % API,
            b" PUT %b HTTP/1.1\r\nHost: g\r\n\r\n" % API,
            b"PUT %b HTTP/2.0\r\nHost: g\r\n\r\n" % API,
            b"PUT %b\x00 HTTP/1.1\r\nHost: g\r\n\r\n" % API,
            b"P(T %b HTTP/1.1\r\nHost: g\r\n\r\n" % API,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ):
            self.assertEqual(self.assert_refused(raw, 400).reply()[b"Content-Length"], b"0", raw)

    def test_too_large(self) -> None:
        """A head with too many bytes, in one line or in all of them, or too many lines, too."""
        for raw in (
            START + b"X-Long: %b\r\n\r\n" % (b"x" * 20_000),
            START + b"X-Endless: %b" % (b"x" * 20_000),
            START + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 1000) for n in range(20)) + b"\r\n",
            START + b"X-Many: x\r\n" * 501 + b"\r\n",
        ):
            device = self.assert_refused(raw, 400)
            self.assertEqual(device.reply()[b"Content-Length"], b"0", raw[:60])

    def test_strange_requests(self) -> None:
        """A well-formed request that no proxy of this kind takes gets a 400 that says why."""
        for line, why in (
            (b"GET http://gateway.example/api/devices/v1/x HTTP/1.1", b"'/'"),
            (b"GET http://elsewhere.example/ HTTP/1.1", b"'/'"),
            (b"OPTIONS * HTTP/1.1", b"'/'"),
            (b"CONNECT elsewhere.example:443 HTTP/1.1", b"method"),
            (b"TRACE %b HTTP/1.1" % API, b"method"),
            (b"get %b HTTP/1.1" % API, b"method"),
            (b"M-SEARCH %b HTTP/1.1" % API, b"method"),
            (b"GET /api/devices/../management/v1/x HTTP/1.1", b"segment"),
            (b"GET /api/devices/%2e%2e/management/v1/x HTTP/1.1", b"segment"),
            (b"GET /api/devices/v1/./x HTTP/1.1", b"segment"),
            (b"GET /api/devices/v1/\x7f HTTP/1.1", b"byte"),
        ):
            device = self.assert_refused(line + b"\r\nHost: gateway.example\r\n\r\n", 400)
            self.assertIn(why, device.reply().body, line)

    def test_no_host(self) -> None:
        """A request with HTTP/1.1 names its host, as the standard says."""
        device = self.assert_refused(b"GET %b HTTP/1.1\r\nAccept: x\r\n\r\n" % API, 400)
        self.assertIn(b"Host", device.reply().body)

    def test_host_forgiven(self) -> None:
        """A request with HTTP/1.0 need not."""
        self.device().send(b"GET %b HTTP/1.0\r\n\r\n" % API)
        self.assertEqual(self.agent.asked.pop().values(b"host"), [b"mender.example"])


class BodyLimitTests(RefusalTestCase):
    """Bodies that are too large."""

    def test_announced(self) -> None:
        """A body whose length is too large is refused before it comes, without 100 Continue."""
        most = LIMITS.max_request_body
        for length in (most + 1, 999_999_999_999):
            head = START + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % length
            for sent in (b"", b"x" * (most + 1)):
                self.assert_refused(head + sent, 413)

    def test_counted(self) -> None:
        """A chunked body is counted as it comes."""
        half = b"200\r\n%b\r\n" % (b"x" * 0x200)
        head = START + b"Transfer-Encoding: chunked\r\n\r\n"
        for raw in (head + half * 2, head + half * 2 + b"0\r\n\r\n", head + half * 50):
            self.assert_refused(raw, 413)

    def test_largest(self) -> None:
        """A body of just the limit passes, announced or chunked."""
        body = b"x" * LIMITS.max_request_body
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        for raw in (
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
            b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
        ):
            self.device().send(START + raw)
            self.assertEqual(self.agent.asked.pop().body, body)


class ContinueTests(SiteTestCase):
    """``Expect: 100-continue``."""

    def test_wanted(self) -> None:
        """A device that waits for it before it sends its body gets it, whatever the framing."""
        for framing, body in (
            (b"Content-Length: 2", b"[]"),
            (b"Transfer-Encoding: chunked", b"2\r\n[]\r\n0\r\n\r\n"),
        ):
            device = self.device()
            device.send(START + framing + b"\r\nExpect: 100-Continue\r\n\r\n")
            self.assertEqual(device.received, CONTINUE, framing)
            device.send(body)
            asked = self.agent.asked.pop()
            self.assertEqual((asked.body, asked.values(b"expect")), (b"[]", []))

    def test_not_waited_for(self) -> None:
        """A device that sends its body at once gets it no more: it would be in the way."""
        device = self.device()
        device.send(START + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n[]")
        self.assertEqual((self.agent.asked.pop().body, device.received), (b"[]", b""))

    def test_not_wanted(self) -> None:
        """Nobody else gets it: there are clients that take it for the answer."""
        for raw in (
            START + b"Content-Length: 2\r\n\r\n",
            START + b"Expect: 100-continue\r\n\r\n",
            START + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
            START.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        ):
            device = self.device()
            device.send(raw)
            self.assertEqual(device.received, b"", raw)
            device.hang_up()
