"""Asking for WebSocket: granted, refused, or neither."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from menderproxy.upstream.answer import Answer
from menderproxy.upstream.errors import (
    BadRequestTarget,
    Unanswered,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from menderproxy.upstream.proxies import ProxyRules, ProxyServer
from menderproxy.upstream.switched import Switched
from menderproxy.upstream.upgrade import LONGEST_HEAD
from tests.network import Line
from tests.upstream.sink import Sink
from tests.upstream.testcase import HOST, ORIGIN
from tests.upstream.upgrade_testcase import HANDSHAKE, SWITCH, UpgradeTestCase


class HandshakeTests(UpgradeTestCase):
    """The request, and what it is answered with."""

    def test_request(self) -> None:
        """The request is a GET with the headers as given, and no other "Connection" header."""
        self.ask()
        first, *lines = self.network.accept().received().split(b"\r\n")
        self.assertEqual(first, b"GET /connect?x HTTP/1.1")
        self.assertEqual(
            [line for line in lines if line.lower().startswith(b"connection:")],
            [b"Connection: Upgrade"],
        )
        self.assertIn(b"Upgrade: websocket", lines)

    def test_new_connection(self) -> None:
        """A connection that lies idle in the pool is not used, nor one that was refused."""
        request = Deferred.fromCoroutine(self.agent.request(ORIGIN, b"GET", b"/", [HOST]))
        idle = self.network.accept()
        idle.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.successResultOf(request).abort()
        for _ in range(2):
            line, asked = self.asked()
            line.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            self.successResultOf(asked).abort()
            self.assertTrue(line.aborted)
        self.assertFalse(idle.aborted)

    def test_kept_alive(self) -> None:
        """An upstream that dies without a word is found out by TCP."""
        asked_for: list[bool] = []
        self.patch(Line, "setTcpKeepAlive", lambda line, enabled: asked_for.append(enabled))
        self.ask()
        self.network.accept()
        self.assertEqual(asked_for, [True])

    def test_bad_target(self) -> None:
        """A target that HTTP has no place for goes nowhere."""
        self.failureResultOf(self.ask(b"/a b"), BadRequestTarget)
        self.assertEqual(self.network.dialled, [])

    def test_switched(self) -> None:
        """A 101 is the switch, its headers as they are spelled, in whatever segments it comes."""
        headers = [
            (b"Connection", b"Upgrade"),
            (b"Upgrade", b"websocket"),
            (b"Sec-WebSocket-Accept", b"eA=="),
        ]
        for segments in ((SWITCH,), tuple(SWITCH[i : i + 1] for i in range(len(SWITCH)))):
            self.assertEqual(self.switched(*segments)[1].headers, headers)

    def test_interim_answers(self) -> None:
        """Other interim answers are none."""
        _, switched = self.switched(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SWITCH
        )
        self.assertEqual(len(switched.headers), 3)
        _, answer = self.answer(b"HTTP/1.1 103 E\r\n\r\n", b"HTTP/1.1 403 No\r\n\r\n")
        self.assertEqual(answer.code, 403)

    def test_refused(self) -> None:
        """Any other status is an ordinary answer, body and all; its connection is not kept."""
        body = b'{"error": "unauthorized"}'
        raw = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        for segments in ((raw,), tuple(raw[i : i + 1] for i in range(len(raw)))):
            line, asked = self.asked()
            line.send(segments[0])
            line.send(*segments[1:])
            answer = self.successResultOf(asked)
            assert isinstance(answer, Answer)
            self.assertEqual((answer.code, answer.length), (401, len(body)))
            sink = Sink()
            answer.deliver(sink)
            self.network.advance(0)
            self.assertEqual((sink.data, sink.ending), (body, ["certain"]))
            self.assertTrue(line.aborted or line.disconnecting)

    def test_garbage(self) -> None:
        """What is no answer is an error, and its connection is cut."""
        for raw in (
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n" + HANDSHAKE + b"no header\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n" + HANDSHAKE + b" folded: x\r\n\r\n",
            b"HTTP/1.1 1" + b"x" * LONGEST_HEAD,
            b"HTTP/1.1 101 x\r\n" + HANDSHAKE + b"X: " + b"x" * LONGEST_HEAD + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        ):
            line, asked = self.asked()
            line.send(raw)
            self.failureResultOf(asked, UpstreamUnavailable)
            self.assertTrue(line.aborted, raw)
            self.network.advance(0)
            self.assertEqual(self.network.getDelayedCalls(), [], raw)

    def test_lost(self) -> None:
        """A connection that is lost before the head is complete is an error."""
        for raw in (b"", b"HTTP/1.1", SWITCH[:-1], b"HTTP/1.1 200 OK\r\n"):
            line, asked = self.asked()
            line.send(raw)
            line.hang_up()
            self.failureResultOf(asked, UpstreamUnavailable)
            self.network.advance(0)
            self.assertEqual(self.network.getDelayedCalls(), [], raw)

    def test_unanswered(self) -> None:
        """One that is lost before anything came is told apart, for the log."""
        line, asked = self.asked()
        line.hang_up()
        self.failureResultOf(asked, Unanswered)


class PatienceTests(UpgradeTestCase):
    """Nobody waits for ever, nor for what nobody wants."""

    def test_late(self) -> None:
        """A head that is not complete in time is a timeout, however much of it is here."""
        for raw in (b"", SWITCH[:-1], b"HTTP/1.1 200 OK\r\n"):
            line, asked = self.asked()
            line.send(raw)
            self.network.advance(59)
            self.assertNoResult(asked)
            self.network.advance(1)
            error = self.failureResultOf(asked, UpstreamTimeout).value
            self.assertEqual(str(error), "http://mender.example.com:80: no answer within 60 s")
            self.assertTrue(line.aborted)
            self.network.advance(0)
            self.assertEqual(self.network.getDelayedCalls(), [])

    def test_no_connection(self) -> None:
        """Neither is an upstream waited for that can't be reached."""
        asked = self.ask()
        self.network.advance(10)
        self.failureResultOf(asked, UpstreamTimeout)

    def test_cancelled(self) -> None:
        """A request that is given up takes its connection with it."""
        line, asked = self.asked()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertTrue(line.aborted)
        self.network.advance(0)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_cancelled_attempt(self) -> None:
        """Or the attempt to make one."""
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_switched_has_no_deadline(self) -> None:
        """A connection that switched is not timed: that is for who uses it."""
        line, _ = self.switched()
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.network.advance(100000)
        self.assertFalse(line.aborted)

    def test_agent_closes(self) -> None:
        """The agent's end is the end of a switched connection, too."""
        line, switched = self.switched()
        sink = Sink()
        switched.deliver(sink)
        closing = Deferred.fromCoroutine(self.agent.close())
        self.assertTrue(line.aborted)
        self.network.advance(0)
        self.successResultOf(closing)
        self.assertEqual(sink.ending, ["uncertain"])


class ProxyTests(UpgradeTestCase):
    """Through a corporate proxy."""

    def test_plain_http(self) -> None:
        """A tunnel leads through the proxy, and the request in it is the upstream's alone."""
        proxy = ProxyServer.parse("http://user:s3cret@proxy.example:3128")
        self.agent = self.agent_with(ProxyRules(http=proxy))
        asked = self.ask()
        self.assertEqual(self.network.dialled, [("192.0.2.1", 3128)])
        line = self.network.accept()
        self.assertTrue(line.received().startswith(b"CONNECT mender.example.com:80 HTTP/1.1\r\n"))
        line.send(b"HTTP/1.1 200 Established\r\n\r\n")
        request = line.received()
        self.assertTrue(request.startswith(b"GET /connect?x HTTP/1.1\r\n"))
        self.assertNotIn(b"Proxy-Authorization", request)
        line.send(SWITCH)
        self.assertIsInstance(self.successResultOf(asked), Switched)

    def test_requests(self) -> None:
        """Other requests for plain http are the proxy's to read, as before."""
        self.agent = self.agent_with(ProxyRules(http=ProxyServer.parse("proxy.example:3128")))
        Deferred.fromCoroutine(self.agent.request(ORIGIN, b"GET", b"/", [HOST]))
        request = self.network.accept().received()
        self.assertTrue(request.startswith(b"GET http://mender.example.com/ HTTP/1.1\r\n"))
