"""That downloads leave room on the uplink is up to the configuration."""

from __future__ import annotations

from base64 import b64encode

from menderproxy.upstream.pacing import INTERVAL
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.store_url import StoreURL
from tests.monitoring import MonitoringTestCase
from tests.network import Line

PROXY = "Features.ArtifactsProxy"
CACHE = f"{PROXY}.ArtifactsCache"
GATEWAY_URL = "https://gateway.example"
SECRET = b"a secret for these tests only"
STORE = StoreURL.parse("http://store.example/artifact?X-Amz-Signature=abc")
LENGTH = 10_000


class RateTests(MonitoringTestCase):
    """``MaxUplinkRate``."""

    def download(self, rate: int) -> Line:
        """Let a device ask for an artifact, and the store send half of it; gives its connection."""
        self.start(
            (f"{PROXY}.Enabled", True),
            (f"{PROXY}.GatewayURL", GATEWAY_URL),
            (f"{PROXY}.DomainWhitelist", ["store.example"]),
            (f"{CACHE}.SignatureSecret", b64encode(SECRET).decode()),
            (f"{CACHE}.MaxUplinkRate", rate),
        )
        link = LinkSigner(GATEWAY_URL, SECRET, 1800).sign(STORE, "release", self.now)
        self.device = self.ask(link.removeprefix(GATEWAY_URL))
        store = self.network.accept()
        store.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH)
        self.network.advance(0)
        store.send(bytes(LENGTH // 2))
        return store

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.network.pump([INTERVAL] * round(seconds / INTERVAL))

    def test_paced(self) -> None:
        """A store is paused until what it sent was due, and the device gets all of it."""
        store = self.download(rate=1000)
        self.wait(4.9)
        self.assertEqual(store.producerState, "paused")
        self.wait(0.2)
        self.assertEqual(store.producerState, "producing")
        store.send(bytes(LENGTH // 2))
        self.wait(0.1)
        self.assertTrue(self.device.received().endswith(bytes(LENGTH)))

    def test_api(self) -> None:
        """The device API is not: what a device asks meanwhile is passed on and answered at once."""
        self.download(rate=1)
        polling = self.ask("/api/devices/v1/inventory/device/attributes")
        server = self.network.accept()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH, bytes(LENGTH))
        self.network.advance(0)
        self.assertTrue(polling.received().endswith(bytes(LENGTH)))

    def test_no_limit(self) -> None:
        """Without a rate no store is paused."""
        self.assertEqual(self.download(rate=0).producerState, "producing")
