"""Tests of the metrics of a gateway at work, scraped from its port."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import maybeDeferred

from menderproxy.demo.device_keys import DeviceKey
from menderproxy.service import GatewayService
from tests.loopback.exchange import get, status
from tests.loopback.gateway import GatewayTestCase
from tests.loopback.lines import LOOPBACK
from tests.loopback.test_artifacts import DATA, HALF, ArtifactTestCase
from tests.loopback.test_mutual_tls import GatewayTestCase as MutualTLSTestCase


class Numbers:
    """
    What one scrape brought.

    :param text: as it was scraped.
    """

    def __init__(self, text: str):
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def has(self, name: str) -> bool:
        """Whether one of our numbers is there."""
        return any(sample.name == f"mender_gateway_{name}" for sample in self._samples)

    def of(self, name: str, **labels: str) -> float:
        """Give one of our numbers, which has to be there once."""
        (value,) = (
            sample.value
            for sample in self._samples
            if sample.name == f"mender_gateway_{name}" and sample.labels == labels
        )
        return value


async def scrape(reactor: Any, gateway: GatewayService) -> Numbers:
    """Scrape a gateway."""
    assert gateway.metrics is not None
    port = gateway.metrics.listener.address.port
    answer = await get(reactor, LOOPBACK, port, "/metrics")
    assert status(answer) == 200, answer
    return Numbers(answer.partition(b"\r\n\r\n")[2].decode())


class ArtifactTests(ArtifactTestCase):
    """Artifacts."""

    metrics = True

    async def test_second_device(self) -> None:
        """What a second device gets shows as saved; meanwhile all is under way."""
        await self.start()
        first = await self.get()
        store = await self.store_sends(DATA[:HALF])
        await first.until_received(HALF)
        numbers = await scrape(self.reactor, self.gateway)
        self.assertEqual(numbers.of("cache_downloads"), 1)
        self.assertEqual(numbers.of("cache_readers"), 1)
        self.assertEqual(numbers.of("cache_fetched_bytes_total"), HALF)
        store.send(DATA[HALF:])
        await self.assert_gets(first, DATA)
        await self.assert_gets(await self.get(), DATA)
        # The last byte is out before the artifact has its final name.
        numbers = await self.scrape_until("cache_fills_total")
        for name, value in {
            "cache_misses_total": 1,
            "cache_hits_total": 1,
            "cache_fills_total": 1,
            "cache_failures_total": 0,
            "cache_fetched_bytes_total": len(DATA),
            "cache_served_bytes_total": 2 * len(DATA),
            "cache_saved_bytes_total": len(DATA),
            "cache_artifacts": 1,
            "cache_size_bytes": len(DATA),
            "cache_downloads": 0,
        }.items():
            self.assertEqual(numbers.of(name), value, name)
        self.assertEqual(numbers.of("upstream_received_bytes_total", upstream="store"), len(DATA))
        artifacts = {"method": "GET", "code": "200", "route": "artifact"}
        self.assertEqual(numbers.of("http_requests_total", **artifacts), 2)
        self.assertEqual(numbers.of("http_response_bytes_total", **artifacts), 2 * len(DATA))

    async def test_free_space(self) -> None:
        """What the disk has left shows as soon as the disk has been asked."""
        await self.start()
        numbers = await self.scrape_until("cache_free_bytes")
        self.assertGreater(numbers.of("cache_free_bytes"), 0)

    async def scrape_until(self, name: str) -> Numbers:
        """Scrape until a number is there, and not zero."""
        while True:
            numbers = await scrape(self.reactor, self.gateway)
            if numbers.has(name) and numbers.of(name):
                return numbers

    async def test_bytes_under_way(self) -> None:
        """The bytes of an answer show while it goes on, and are not counted twice after it."""
        await self.start()
        device = await self.get()
        store = await self.store_sends(DATA[:HALF])
        await device.take_head()
        await device.take(HALF)
        artifacts = {"method": "GET", "code": "200", "route": "artifact"}
        numbers = await scrape(self.reactor, self.gateway)
        self.assertEqual(numbers.of("http_response_bytes_total", **artifacts), HALF)
        store.send(DATA[HALF:])
        await device.take(len(DATA) - HALF)
        numbers = await scrape(self.reactor, self.gateway)
        self.assertEqual(numbers.of("http_response_bytes_total", **artifacts), len(DATA))


class MutualTLSTests(MutualTLSTestCase):
    """Devices with certificates, and without."""

    metrics = True

    async def test_in_and_out(self) -> None:
        """Who is let in shows by the decision about it, and who is not by the reason."""
        line = await self.connect(self.authority.issue("device"))
        key = DeviceKey.generate()
        for _ in range(2):
            self.assertEqual((await self.log_in(line, "02:00", key))[0], 200)
        stranger = await self.connect(None)
        await stranger.until_lost()
        numbers = await scrape(self.reactor, self.gateway)
        for decision, value in (("created", 1), ("cached", 1), ("forced", 0)):
            self.assertEqual(numbers.of("provisioning_total", decision=decision), value, decision)
        self.assertEqual(numbers.of("refusals_total", reason="no_certificate"), 1)


class DrainTests(GatewayTestCase):
    """A gateway that stops."""

    metrics = True

    async def test_to_the_end(self) -> None:
        """It can be scraped until its last device has been served."""
        await self.start_gateway(DrainTimeout="1h")
        device = await self.ask()
        upstream = await self.forwarded()
        stopping = maybeDeferred(self.gateway.stopService)
        numbers = await scrape(self.reactor, self.gateway)
        self.assertEqual(numbers.of("draining"), 1)
        self.assertEqual(numbers.of("http_requests_under_way"), 1)
        upstream.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        await device.until_lost()
        await stopping
