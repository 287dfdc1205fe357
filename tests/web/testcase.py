"""What the tests of a site have in common: its clock, its limits, and its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import attrs
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource

from menderproxy.config.model import Limits
from menderproxy.web.forward import DeviceProxy
from menderproxy.web.site import GatewaySite
from menderproxy.wire.routes import Route
from tests.web.device import Device
from tests.web.fakes import FakeAgent

LIMITS = attrs.evolve(
    Limits(),
    header_timeout=10.0,
    body_timeout=60.0,
    idle_timeout=75.0,
    write_stall=300.0,
    max_request_body=1000,
    max_connections=3,
    max_connections_per_address=0,
)
API = b"/api/devices/v1/inventory/device/attributes"


class SiteTestCase(SynchronousTestCase):
    """Has a site on a clock, which forwards the device API to an upstream that the test plays."""

    def setUp(self) -> None:
        """Make the site."""
        self.clock = Clock()
        self.agent = FakeAgent()
        self.site = self.site_with(self.resources())

    def resources(self) -> Mapping[Route, IResource]:
        """Give what serves which route."""
        proxy = DeviceProxy(self.clock, self.agent.server, LIMITS.write_stall)
        return {Route.INVENTORY: proxy, Route.DEVICE_API: proxy}

    def site_with(self, resources: Mapping[Route, IResource], **limits: Any) -> GatewaySite:
        """Make a site with other limits."""
        return GatewaySite(resources, attrs.evolve(LIMITS, **limits), self.clock)

    def device(self, *, address: str = "192.0.2.7", secure: bool = False) -> Device:
        """Let a device connect."""
        return Device(self.site, address=address, secure=secure)

    def pass_time(self, seconds: float) -> None:
        """Let time pass second by second, so that each timer fires before the next."""
        self.clock.pump([1.0] * int(seconds) + [seconds % 1])

    def watch_log(self) -> list[str]:
        """Collect what is logged from now on, as text."""
        lines: list[str] = []

        def observe(event: LogEvent) -> None:
            lines.append(formatEvent(event))

        observer = cast(ILogObserver, observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return lines
