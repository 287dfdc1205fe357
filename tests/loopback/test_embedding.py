"""Gateways inside another application, on its reactor."""

from __future__ import annotations

from typing import Any, cast

from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from menderproxy import gateway_service
from menderproxy.service import GatewayService
from tests.config.documents import config_with
from tests.loopback.exchange import get, status

DEVICES = "/api/devices/v1/deployments/device/deployments/next"


class Named(Resource):
    """A Mender Server that says which one it is."""

    isLeaf = True

    def __init__(self, name: bytes):
        super().__init__()  # type: ignore[no-untyped-call]
        self._name = name

    def render_GET(self, request: Request) -> bytes:
        """Say it."""
        return self._name


class EmbeddingTests(TestCase):
    """A foreign application with two gateways."""

    async def gateway(self, name: str) -> GatewayService:
        """Make a gateway with a cache, for a Mender Server of its own."""
        site = Site(Named(name.encode()), reactor=reactor)
        port: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
        self.addCleanup(maybeDeferred, port.stopListening)
        config = config_with(
            ("HTTP.Listen", "127.0.0.1:0"),
            ("UpstreamServer.URL", f"http://127.0.0.1:{port.getHost().port}"),
            ("Features.ArtifactsProxy.Enabled", True),
            ("Features.ArtifactsProxy.GatewayURL", f"http://{name}.example"),
            ("Features.ArtifactsProxy.ArtifactsCache.Enabled", True),
            ("Features.ArtifactsProxy.ArtifactsCache.Path", self.mktemp()),
        )
        return cast(GatewayService, gateway_service(config, reactor))

    async def answer(self, gateway: GatewayService) -> bytes:
        """Give the body of a gateway's answer."""
        port = gateway.listeners[0].address.port
        answer = await get(reactor, "127.0.0.1", port, DEVICES)
        self.assertEqual(status(answer), 200, answer)
        return answer.partition(b"\r\n\r\n")[2]

    async def test_two(self) -> None:
        """Each has its own configuration, and both stop with the application."""
        application = MultiService()
        gateways = [await self.gateway("one"), await self.gateway("two")]
        for gateway in gateways:
            gateway.setServiceParent(application)  # type: ignore[no-untyped-call]
        application.startService()
        bodies = [await self.answer(gateway) for gateway in gateways]
        await maybeDeferred(application.stopService)
        self.assertEqual(bodies, [b"one", b"two"])

    async def test_again(self) -> None:
        """A gateway that was stopped, cache and all, can be started again."""
        gateway = await self.gateway("one")
        for _ in range(2):
            gateway.startService()
            body = await self.answer(gateway)
            await gateway.stopService()
            self.assertEqual(body, b"one")
