"""Tests of requests for a remote terminal: who gets a tunnel."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.web.device import replies
from tests.web.mutual_tls import MutualTLSTestCase
from tests.web.tunnel_testcase import CONNECT, HANDSHAKE, HEAD, TOKEN, TunnelTestCase


class HandshakeTests(TunnelTestCase):
    """Who gets a tunnel."""

    def test_forwarded(self) -> None:
        """The request goes on with its handshake, its token, its query, and our own headers."""
        device = self.device(address="192.0.2.9")
        device.ask(b"GET", CONNECT + b"?x", *HANDSHAKE, TOKEN, (b"Sec-WebSocket-Protocol", b"p"))
        self.assertEqual(self.network.dialled, [("192.0.2.1", 80)])
        first, *lines = self.network.accept().received().rstrip().split(b"\r\n")
        self.assertEqual(first, b"GET %b?x HTTP/1.1" % CONNECT)
        self.assertEqual(
            sorted(line.lower() for line in lines),
            sorted(
                [
                    b"host: mender.example",
                    b"authorization: bearer the.device.token",
                    b"connection: upgrade",
                    b"upgrade: websocket",
                    b"sec-websocket-version: 13",
                    b"sec-websocket-key: a2v5",
                    b"sec-websocket-protocol: p",
                    b"x-forwarded-for: 192.0.2.9",
                    b"x-forwarded-proto: http",
                ]
            ),
        )

    def test_granted(self) -> None:
        """The device gets the handshake's headers as they are spelled, and nothing that frames."""
        device, line = self.asking()
        line.send(HEAD[:-2] + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertEqual(device.received, HEAD)

    def test_refused(self) -> None:
        """A refusal reaches the device as it is, which may go on using its connection."""
        device, line = self.asking()
        body = b'{"error": "unauthorized"}'
        line.send(
            b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        self.network.advance(0)
        reply = device.reply()
        self.assertEqual((reply.status, reply.body), (401, body))
        self.assertEqual(reply[b"Content-Type"], b"application/json")
        self.assertFalse(device.closed or device.cut)
        device.forget_received()
        self.tunnel(device)

    def test_ordinary_requests(self) -> None:
        """A request that asks for no WebSocket is forwarded like any other, with a body or not."""
        for method, headers, body in (
            (b"GET", (), b""),
            (b"GET", HANDSHAKE[1:], b""),
            (b"GET", ((b"Connection", b"Upgrade"), (b"Upgrade", b"h2c")), b""),
            (b"POST", HANDSHAKE, b"{}"),
        ):
            device = self.device()
            device.ask(method, CONNECT, *headers, body=body)
            line = self.network.accept()
            request = line.received()
            self.assertNotIn(b"\r\nUpgrade:", request)
            self.assertNotIn(b"\r\nConnection:", request)
            line.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.network.advance(0)
            self.assertEqual(device.reply().status, 400)
            device.hang_up()

    def test_malformed(self) -> None:
        """WebSocket can't follow HTTP/1.0, nor a body; no upstream is asked."""
        for version, body in ((b"HTTP/1.0", b""), (b"HTTP/1.1", b"{}")):
            device = self.device()
            device.ask(b"GET", CONNECT, *HANDSHAKE, version=version, body=body)
            self.assertEqual(device.reply().status, 400)
            self.assertTrue(device.closed)
            device.hang_up()
        self.assertEqual(self.network.dialled, [])

    def test_pipelined(self) -> None:
        """Nor can another request follow: it never gets into a tunnel."""
        device, line = self.asking()
        line.received()
        device.ask(b"GET", b"/api/internal/v1/secret")
        line.send(HEAD)
        self.network.advance(0)
        self.assertEqual(device.reply().status, 400)
        self.assertTrue(device.closed)
        self.assertEqual(line.received(), b"")
        self.assertTrue(line.aborted)

    def test_pipelined_behind_a_refusal(self) -> None:
        """If the request before it was refused, it is served as on any connection."""
        device, line = self.asking()
        device.ask(b"GET", b"/nothing")
        line.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        self.network.advance(0)
        self.assertEqual([reply.status for reply in replies(device.received)], [401, 404])

    def test_unreachable(self) -> None:
        """An upstream that can't be reached is a 502, on a connection that stays open."""
        device = self.device()
        device.ask(b"GET", CONNECT, *HANDSHAKE)
        self.network.refuse()
        self.network.advance(1)
        self.assertEqual(device.reply().status, 502)
        self.assertFalse(device.closed)

    def test_unanswered(self) -> None:
        """One that does not answer is a 504, and one that answers garbage a 502."""
        device, line = self.asking()
        self.pass_time(60)
        self.assertEqual(device.reply().status, 504)
        self.assertTrue(line.aborted)
        device, line = self.asking()
        line.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        self.assertEqual(device.reply().status, 502)

    def test_gone(self) -> None:
        """A device that goes away before the answer takes the upstream's connection with it."""
        device, line = self.asking()
        device.hang_up()
        self.assertTrue(line.aborted)
        self.network.advance(0)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_draining(self) -> None:
        """A tunnel that is granted while the gateway drains is not opened any more."""
        device, line = self.asking()
        Deferred.fromCoroutine(self.site.drain(20))
        line.send(HEAD)
        self.assertEqual(device.reply().status, 503)
        self.assertTrue(device.closed)
        self.assertTrue(line.aborted)


class CertificateTests(TunnelTestCase, MutualTLSTestCase):
    """Tunnels of devices with certificates."""

    def test_revoked(self) -> None:
        """A device whose certificate is revoked loses its terminal, and nobody else."""
        identity = self.authority.issue("device")
        device, line = self.tunnel(self.certified(identity))
        other, _ = self.tunnel(self.certified())
        self.site.review()
        self.assertFalse(device.cut)
        serial = b"%x" % identity.certificate.serial_number
        self.admission.revocation = self.revoking(serial)
        self.site.review()
        self.assertTrue(device.cut)
        self.assertFalse(other.cut)
        device.hang_up()
        self.assertTrue(line.disconnecting)

    def test_stolen_token(self) -> None:
        """A token that opened a tunnel with one certificate opens none with another."""
        self.tunnel(self.certified(), TOKEN)
        thief = self.certified()
        thief.ask(b"GET", CONNECT, *HANDSHAKE, TOKEN)
        self.assertEqual(thief.reply().status, 401)
        self.assertEqual(self.network.dialled, [])

    def test_refused_token(self) -> None:
        """A token that was refused belongs to nobody."""
        _, line = self.asking(self.certified(), TOKEN)
        line.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        device, _ = self.tunnel(self.certified(), TOKEN)
        self.assertFalse(device.cut)

    def test_bindings_are_optional(self) -> None:
        """Where tokens are not bound, certificates make no difference."""
        self.serve(None)
        for _ in range(2):
            device, _ = self.tunnel(self.certified(), TOKEN)
            self.assertFalse(device.cut)
