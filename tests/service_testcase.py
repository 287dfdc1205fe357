"""A gateway on a network in memory."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.model import GatewayConfig
from menderproxy.service import GatewayService, build
from tests.certificates import dns, root
from tests.config.documents import config_with
from tests.network import Line, Network

PORT, SECURE_PORT = 8080, 8443
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POLL = "/api/devices/v1/deployments/device/deployments/next"
ALIVE = "/api/internal/v1/gateway/alive"
READY = "/api/internal/v1/gateway/ready"


class ServiceTestCase(SynchronousTestCase):
    """Has gateways on a network in memory."""

    def setUp(self) -> None:
        """Make the network."""
        self.network = Network()

    def config(self, *settings: tuple[str, object]) -> GatewayConfig:
        """Make a configuration with a plain listener."""
        return config_with(
            ("HTTP.Listen", f":{PORT}"), ("UpstreamServer.URL", "http://mender.example"), *settings
        )

    def secure(
        self, key: CertificateIssuerPrivateKeyTypes | None = None
    ) -> list[tuple[str, object]]:
        """Give the settings for a TLS listener, with this key or a usual one."""
        server = root().issue("gateway", dns("gateway.example"), key=key)
        certificate, key_path = Path(self.mktemp()), Path(self.mktemp())
        certificate.write_bytes(server.chain_pem)
        key_path.write_bytes(server.key_pem)
        return [
            ("HTTPS.Enabled", True),
            ("HTTPS.Listen", f":{SECURE_PORT}"),
            ("HTTPS.ServerCertificate", str(certificate)),
            ("HTTPS.ServerKey", str(key_path)),
        ]

    def gateway(self, *settings: tuple[str, object]) -> GatewayService:
        """Make a gateway."""
        return build(self.config(*settings), self.network)

    def started(self, *settings: tuple[str, object]) -> GatewayService:
        """Make a gateway and start it."""
        service = self.gateway(*settings)
        service.privilegedStartService()
        service.startService()
        return service

    def stop(self, service: GatewayService) -> Deferred[None]:
        """Begin to stop a gateway, and let happen what is due."""
        stopping = service.stopService()
        self.network.advance(0)
        return stopping

    def ask(self, path: str, line: Line | None = None) -> Line:
        """Send a GET request, by default on a connection of its own."""
        line = self.network.call(PORT) if line is None else line
        line.send(f"GET {path} HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode())
        self.network.advance(0)
        return line

    def status(self, path: str) -> int:
        """Give the status of the answer to a GET request."""
        return int(self.ask(path).received().split(b" ")[1])
