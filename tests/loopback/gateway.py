"""A whole gateway in this process, between raw devices and a raw upstream."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import TestCase

from menderproxy import gateway_service, parse_config
from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.service import GatewayService
from tests.loopback.lines import LOOPBACK, Line, Upstream, connect

API = b"/api/devices/v1/inventory/device/attributes"


class GatewayTestCase(TestCase):
    """
    Has an upstream whose part the test plays, and starts a gateway in front of it.

    :ivar directory: for files.
    :cvar metrics: whether its gateway shows them.
    """

    # A net only: nothing here takes long unless it hangs.
    timeout = 60
    metrics = False

    async def setUp(self) -> None:  # type: ignore[override]
        """Start the upstream."""
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.upstream = Upstream(reactor)
        await self.upstream.start()
        self.addCleanup(self.upstream.stop)

    async def start_gateway(
        self,
        features: dict[str, object] | None = None,
        *,
        upstream: str | None = None,
        **limits: object,
    ) -> GatewayService:
        """
        Start a gateway that listens for HTTP and for HTTPS, and stop it after the test.

        :param features: the configuration's section of that name.
        :param upstream: URL of another upstream.
        :param limits: the entries of its section of that name.
        """
        credentials = ThrowAwayAuthority.create().issue(LOOPBACK)
        certificate, key = credentials.write(self.directory)
        document = {
            "Features": features or {},
            "HTTP": {"Enabled": True, "Listen": f"{LOOPBACK}:0"},
            "HTTPS": {
                "Enabled": True,
                "Listen": f"{LOOPBACK}:0",
                "ServerCertificate": str(certificate),
                "ServerKey": str(key),
            },
            "Metrics": {"Enabled": self.metrics, "Listen": f"{LOOPBACK}:0"},
            "UpstreamServer": {"URL": upstream or f"http://{LOOPBACK}:{self.upstream.port}"},
            "Limits": {"DrainTimeout": "0s", **limits},
        }
        self.gateway = cast(GatewayService, gateway_service(parse_config(document), self.reactor))
        self.gateway.startService()
        self.addCleanup(self._stop_gateway)
        return self.gateway

    async def device(self, *, tls: bool = False) -> Line:
        """Let a device connect."""
        http, https = (listener.address.port for listener in self.gateway.listeners)
        line = await connect(self.reactor, https if tls else http, tls=tls)
        self.addCleanup(line.cut)
        return line

    async def ask(
        self, target: bytes = API, *headers: bytes, method: bytes = b"GET", tls: bool = False
    ) -> Line:
        """Let a new device ask without a body."""
        device = await self.device(tls=tls)
        lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: gateway.example", *headers]
        device.send(b"\r\n".join(lines) + b"\r\n\r\n")
        return device

    async def round_trip(self, device: Line) -> None:
        """Give everybody some turns: ask the gateway something on an open connection."""
        device.send(b"GET /nothing HTTP/1.1\r\nHost: gateway.example\r\n\r\n")
        await device.until_seen(b"not found")
        device.received.clear()

    async def forwarded(self) -> Line:
        """Take the next request without a body that reaches the upstream."""
        line = await self.upstream.accept()
        await line.take_head()
        return line

    async def _stop_gateway(self) -> None:
        if self.gateway.running:
            await maybeDeferred(self.gateway.stopService)
