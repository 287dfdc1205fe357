"""Tests of the probes."""

from __future__ import annotations

from menderproxy.web.health import Probe
from menderproxy.wire.routes import Route
from tests.web.device import Reply
from tests.web.testcase import SiteTestCase

READY = b"/api/internal/v1/gateway/ready"


class ProbeTests(SiteTestCase):
    """What a probe answers."""

    def setUp(self) -> None:
        """Have a condition."""
        super().setUp()
        self.holds = True
        self.site = self.site_with({Route.READY: Probe(lambda: self.holds)})

    def ask(self, method: bytes) -> Reply:
        """Probe."""
        device = self.device()
        device.ask(method, READY)
        device.hang_up()
        return device.reply(to_head=method == b"HEAD")

    def test_holds(self) -> None:
        """While the condition holds it answers 204 and nothing else."""
        for method in (b"GET", b"HEAD"):
            reply = self.ask(method)
            self.assertEqual((reply.status, reply.names), (204, {b"date"}))

    def test_fails(self) -> None:
        """While it does not, 503."""
        self.holds = False
        for method in (b"GET", b"HEAD"):
            self.assertEqual(self.ask(method).status, 503)

    def test_other_methods(self) -> None:
        """It is only for reading."""
        reply = self.ask(b"POST")
        self.assertEqual((reply.status, reply[b"Allow"]), (405, b"GET, HEAD"))
