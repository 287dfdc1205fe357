"""A gateway that shows its metrics, on a network in memory."""

from __future__ import annotations

import time
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.model import GatewayConfig
from menderproxy.service import GatewayService, World, build
from tests.certificates import dns, pem_of, root
from tests.config.documents import config_with
from tests.network import Line, Network
from tests.odd_certificates import revocation_list

PORT, SECURE_PORT, METRICS_PORT = 8080, 8443, 9102


class MonitoringTestCase(SynchronousTestCase):
    """
    Has gateways, with as many features as a test wants.

    :ivar now: Unix time, which goes on only when a test says so.
    :ivar authority: that certificates come from.
    """

    def setUp(self) -> None:
        """Make the network."""
        self.network = Network()
        self.now = time.time()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = root("factory")

    def config(self, *settings: tuple[str, object]) -> GatewayConfig:
        """Make a configuration with metrics and a plain listener."""
        return config_with(
            ("HTTP.Listen", f":{PORT}"),
            ("Metrics.Enabled", True),
            ("UpstreamServer.URL", "http://mender.example"),
            *settings,
        )

    def start(self, *settings: tuple[str, object]) -> GatewayService:
        """Start a gateway."""
        gateway = build(self.config(*settings), self.network, World(now=lambda: self.now))
        gateway.startService()
        self.addCleanup(self.stop, gateway)
        return gateway

    def stop(self, gateway: GatewayService) -> None:
        """Stop it, whoever is connected."""
        if gateway.running:
            stopping = gateway.stopService()
            gateway.hasten()
            self.network.advance(0)
            self.successResultOf(stopping)

    def ask(self, path: str, port: int = PORT) -> Line:
        """Send a GET request on a connection of its own."""
        line = self.network.call(port)
        line.send(f"GET {path} HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode())
        self.network.advance(0)
        return line

    def text(self) -> str:
        """Scrape the metrics."""
        line = self.ask("/metrics", METRICS_PORT)
        head, _, text = line.received().decode().partition("\r\n\r\n")
        line.hang_up()
        self.network.advance(0)
        self.assertTrue(head.startswith("HTTP/1.1 200 "), head)
        return text

    def scrape(self) -> dict[str, Metric]:
        """Scrape the metrics, by their names as they are in the text."""
        return {_full_name(family): family for family in families(self.text())}

    def value(self, name: str, **labels: str) -> float:
        """Give one of our numbers as it is now."""
        for family in families(self.text()):
            for sample in family.samples:
                if (sample.name, sample.labels) == (f"mender_gateway_{name}", labels):
                    return sample.value
        raise AssertionError(f"no {name} with {labels}")

    def all_features(self) -> list[tuple[str, object]]:
        """Give the settings for a gateway that shows all metrics that there are."""
        server = self.authority.issue("gateway", dns("gateway.example"))
        device = self.authority.issue("device")
        for name, content in (
            ("server.pem", server.chain_pem),
            ("server.key", server.key_pem),
            ("factory.pem", pem_of(self.authority.certificate)),
            ("lists.pem", revocation_list(self.authority, device)),
        ):
            (self.folder / name).write_bytes(content)
        return [
            ("HTTPS.Enabled", True),
            ("HTTPS.Listen", f":{SECURE_PORT}"),
            ("HTTPS.ServerCertificate", str(self.folder / "server.pem")),
            ("HTTPS.ServerKey", str(self.folder / "server.key")),
            ("Features.mTLS.Enabled", True),
            ("Features.mTLS.CACertificate", str(self.folder / "factory.pem")),
            ("Features.mTLS.CRLPath", str(self.folder / "lists.pem")),
            ("Features.mTLS.MenderToken", "secret.personal.token"),
            ("Features.ArtifactsProxy.Enabled", True),
            ("Features.ArtifactsProxy.GatewayURL", "https://gateway.example"),
            ("Features.ArtifactsProxy.DomainWhitelist", ["store.example"]),
            ("Features.ArtifactsProxy.ArtifactsCache.Enabled", True),
            ("Features.ArtifactsProxy.ArtifactsCache.Path", str(self.folder / "cache")),
        ]


def families(text: str) -> list[Metric]:
    """Read what was scraped."""
    return list(text_string_to_metric_families(text))


def _full_name(family: Metric) -> str:
    # The parser gives counters the name that they have in OpenMetrics.
    return f"{family.name}_total" if family.type == "counter" else family.name
