"""Tests that the units of systemd agree with the gateway's own defaults."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.model import GatewayConfig
from menderproxy.config.units import parse_duration, parse_listen_address
from tests.packaging.files import unit

DEFAULTS = GatewayConfig()


class ServiceTests(SynchronousTestCase):
    """``mender-gateway.service``."""

    def setUp(self) -> None:
        """Read the unit."""
        self.unit = unit("mender-gateway.service")

    def test_stop(self) -> None:
        """Downloads have all of the drain timeout before systemd kills."""
        patience = parse_duration(self.unit.value("Service", "TimeoutStopSec"))
        self.assertGreater(patience, DEFAULTS.limits.drain_timeout)

    def test_cache(self) -> None:
        """The cache's usual directory is the one that systemd makes writable."""
        path = Path(DEFAULTS.features.artifacts_proxy.artifacts_cache.path)
        self.assertEqual(path.parent, Path("/var/cache"))
        self.assertEqual(self.unit.value("Service", "CacheDirectory"), path.name)

    def test_descriptors(self) -> None:
        """Each connection that is let in may have a descriptor for the upstream and a file."""
        limit = int(self.unit.value("Service", "LimitNOFILE"))
        self.assertGreaterEqual(limit, 3 * DEFAULTS.limits.max_connections)

    def test_user(self) -> None:
        """It is not root, and may open low ports nevertheless, but do nothing else of root's."""
        self.assertNotIn(self.unit.value("Service", "User"), ("root", "0"))
        for name in ("AmbientCapabilities", "CapabilityBoundingSet"):
            self.assertEqual(self.unit.value("Service", name), "CAP_NET_BIND_SERVICE")

    def test_callbacks(self) -> None:
        """Memory may be made executable, without which no device's certificate can be verified."""
        self.assertEqual(self.unit.values("Service", "MemoryDenyWriteExecute"), [])


class SocketTests(SynchronousTestCase):
    """``mender-gateway.socket``."""

    def test_ports(self) -> None:
        """It opens the ports that the gateway listens on by itself."""
        ports = {
            parse_listen_address(f":{port}")
            for port in unit("mender-gateway.socket").values("Socket", "ListenStream")
        }
        self.assertEqual(ports, {DEFAULTS.http.listen, DEFAULTS.https.listen})
