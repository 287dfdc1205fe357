"""Requests with two Host headers, of which each program on the way may read another one."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.web.resource import IResource

from menderproxy.wire.routes import Route
from tests.web.test_refusals import RefusalTestCase
from tests.web.test_site import Named
from tests.web.testcase import API

ARTIFACT = b"/artifacts/aGk/release-1?issued=1&expire=2&signature=abc"
ONE, OTHER = b"Host: gateway.example\r\n", b"Host: elsewhere.example\r\n"


class TwoHostsTests(RefusalTestCase):
    """Who may send two, and who may not."""

    def resources(self) -> Mapping[Route, IResource]:
        """Add something that answers for artifacts."""
        return {**super().resources(), Route.ARTIFACT: Named(b"an artifact")}

    def test_download(self) -> None:
        """A client on microcontrollers asks for artifacts like this, and gets them."""
        device = self.device()
        device.send(
            b"GET %b HTTP/1.1\r\n%b%bUser-Agent: Mender/1.0.0 MCU Zephyr/4.2.0\r\n\r\n"
            % (ARTIFACT, ONE, ONE)
        )
        self.assertEqual((device.reply().status, device.reply().body), (200, b"an artifact"))

    def test_different(self) -> None:
        """Two that differ are refused even there."""
        for hosts in (ONE + OTHER, ONE + ONE + OTHER, OTHER + ONE):
            self.assert_refused(b"GET %b HTTP/1.1\r\n%b\r\n" % (ARTIFACT, hosts), 400)

    def test_elsewhere(self) -> None:
        """In all other requests two are refused, equal or not, whatever lies between them."""
        for target in (API, b"/api/internal/v1/gateway/alive", b"/nothing"):
            for hosts in (ONE + ONE, ONE + OTHER, ONE + b"Accept: x\r\n" + ONE.upper()):
                for version in (b"1.1", b"1.0"):
                    raw = b"GET %b HTTP/%b\r\n%b\r\n" % (target, version, hosts)
                    device = self.assert_refused(raw, 400)
                    self.assertIn(b"Host", device.reply().body, raw)

    def test_forwarded(self) -> None:
        """The server gets one of ours instead of the one that a device sent."""
        device = self.device()
        device.send(b"GET %b HTTP/1.1\r\n%b\r\n" % (API, OTHER))
        self.assertEqual(self.agent.asked.pop().values(b"host"), [b"mender.example"])
