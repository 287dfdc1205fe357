"""With mutual TLS on: who is served, at each request and in between."""

from __future__ import annotations

from menderproxy.listen.client_certificate import serial_text
from menderproxy.listen.refusal import Reason
from menderproxy.web.health import Probe
from menderproxy.wire.routes import Route
from tests.web.mutual_tls import MutualTLSTestCase
from tests.web.testcase import API, SiteTestCase

DOWNLOAD = b"/api/devices/v1/deployments/download/configuration/a/b/c"


class PlainTests(MutualTLSTestCase):
    """The listener without TLS."""

    def test_health(self) -> None:
        """It tells whether the gateway is alive and ready."""
        self.site = self.site_with({Route.ALIVE: Probe(lambda: True), Route.READY: Probe(bool)})
        for name, status in ((b"alive", 204), (b"ready", 503)):
            device = self.device()
            device.ask(b"GET", b"/api/internal/v1/gateway/" + name)
            self.assertEqual(device.reply().status, status)

    def test_everything_else(self) -> None:
        """It is no way around the certificates: nothing reaches the upstream."""
        for target in (API, DOWNLOAD, b"/artifacts/a/b?expire=1&signature=x", b"/"):
            device = self.device()
            device.ask(b"GET", target, (b"X-Forwarded-Proto", b"https"))
            self.assertEqual(device.reply().status, 403)
            device.hang_up()
        self.assertEqual(self.agent.asked, [])

    def test_review(self) -> None:
        """A look at who is connected leaves its connections alone: probes keep theirs open."""
        device = self.device()
        self.site.review()
        self.assertFalse(device.cut)
        self.assertEqual(self.refused, [])


class OffTests(SiteTestCase):
    """Without mutual TLS."""

    def test_anybody(self) -> None:
        """Nobody is asked for a certificate."""
        for secure in (False, True):
            device = self.device(secure=secure)
            device.ask(b"GET", API)
            self.site.review()
            self.assertFalse(device.cut)
            self.assertEqual(len(self.agent.asked), 1)
            self.agent.asked.clear()


class RequestTests(MutualTLSTestCase):
    """Each request is checked again: connections outlive certificates."""

    def test_served(self) -> None:
        """A device with a good certificate is served, and the log says which one it was."""
        lines = self.watch_log()
        device = self.certified(identity := self.authority.issue("device"))
        device.ask(b"GET", b"/nothing")
        self.assertEqual(device.reply().status, 404)
        serial = f" certificate={serial_text(identity.certificate.serial_number)}"
        self.assertTrue(any(serial in line for line in lines), lines)
        self.assertEqual(self.refused, [])

    def test_none(self) -> None:
        """A TLS connection without a certificate would be a mistake of ours: it is cut."""
        device = self.device(secure=True)
        device.ask(b"GET", API)
        self.assertTrue(device.cut)
        self.assertEqual(device.received, b"")
        self.assertEqual(self.refused, [Reason.NO_CERTIFICATE])
        self.assertEqual(self.agent.asked, [])

    def test_revoked(self) -> None:
        """A certificate that was blacklisted meanwhile gets nothing more, and nothing goes on."""
        device = self.certified(identity := self.authority.issue("device"))
        device.ask(b"GET", b"/nothing")
        self.admission.revocation = self.revoking(b"%x" % identity.certificate.serial_number)
        device.forget_received()
        device.ask(b"GET", API)
        self.assertTrue(device.cut)
        self.assertEqual(device.received, b"")
        self.assertEqual(self.refused, [Reason.BLACKLISTED])
        self.assertEqual(self.agent.asked, [])

    def test_expired(self) -> None:
        """So it is with one that has expired meanwhile."""
        device = self.certified(self.lasting(1))
        device.ask(b"GET", b"/nothing")
        self.now += 86401 * 1.0
        device.ask(b"GET", API)
        self.assertTrue(device.cut)
        self.assertEqual(self.refused, [Reason.EXPIRED])

    def test_logged(self) -> None:
        """The log says who was cut, and why."""
        lines = self.watch_log()
        self.now += 30 * 86400.0
        self.certified(identity := self.lasting(1)).ask(b"GET", API)
        (line,) = [line for line in lines if line.startswith("refused: ")]
        serial = serial_text(identity.certificate.serial_number)
        for part in ("expired", "CN=device ", "CN=device authority", serial, "from=192.0.2.7"):
            self.assertIn(part, line)


class ReviewTests(MutualTLSTestCase):
    """What happens to those who are in the middle of something."""

    def test_revoked(self) -> None:
        """Who is revoked is cut, whatever it is doing; all others go on."""
        bad, good = self.authority.issue("bad"), self.authority.issue("good")
        idle, busy, other = self.certified(bad), self.certified(bad), self.certified(good)
        busy.ask(b"GET", DOWNLOAD)
        self.admission.revocation = self.revoking(b"%x" % bad.certificate.serial_number)
        self.site.review()
        self.assertEqual((idle.cut, busy.cut, other.cut), (True, True, False))
        self.assertEqual(self.refused, [Reason.BLACKLISTED] * 2)

    def test_expired(self) -> None:
        """So are those whose certificates end."""
        short, long = self.certified(self.lasting(1)), self.certified(self.lasting(3))
        self.site.review()
        self.assertFalse(short.cut)
        self.now += 2 * 86400.0
        self.site.review()
        self.assertEqual((short.cut, long.cut), (True, False))

    def test_handshake(self) -> None:
        """Who is still shaking hands is judged by the handshake."""
        device = self.device(secure=True)
        self.site.review()
        self.assertFalse(device.cut)
