"""
The official gateway's examples start this one.

Files are put below a directory of the test, as if that were the root, and ports are any that are
free. Nothing else is changed.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs
from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from menderproxy.config.load import load_config
from menderproxy.config.model import GatewayConfig
from menderproxy.config.units import ListenAddress
from menderproxy.listen.endpoints import Listener
from menderproxy.service import GatewayService, build
from tests.certificates import dns, pem_of, root
from tests.loopback.exchange import get, status
from tests.loopback.test_mutual_tls import DeviceTLS

OFFICIAL = Path(__file__).with_name("official")
HOST = "127.0.0.1"
ALIVE = "/api/internal/v1/gateway/alive"
POLL = "/api/devices/v1/deployments/device/deployments/next"
SYSTEM = "REPLACE_WITH_YOUR_UNIQUE_SYSTEM_ID"
UNVERIFIED = "UpstreamServer.InsecureSkipVerify: anybody can pose as the Mender Server"
SYSTEM_OFF = "Features.DeviceSystem: has no effect while Enabled is not true"


@attrs.frozen
class Example:
    """
    What an example comes to.

    :param http: the port without TLS, ``None`` for none.
    :param https: the port with TLS.
    :param warnings: what it is warned of, after the name of the file.
    :param rest: variables for what the file leaves open.
    """

    http: int | None = None
    https: int | None = None
    warnings: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()


TLS_ONLY = Example(https=443)
CONTAINER = Example(http=8080, https=8443)
EXAMPLES = {
    "configuration-file.json": Example(https=443, warnings=(SYSTEM_OFF,)),
    "configuration-file-1.0.json": TLS_ONLY,
    "configuration-file-1.1.json": TLS_ONLY,
    "artifacts-proxy.json": TLS_ONLY,
    "artifacts-cache.json": TLS_ONLY,
    "artifacts-cache-true.json": Example(
        https=443, rest=("ARTIFACTS_PROXY_CACHE_PATH=/var/cache/mender-gateway",)
    ),
    "device-system.json": TLS_ONLY,
    "default-inventory.json": Example(
        http=80, rest=("HTTP_ENABLED=true", "UPSTREAM_SERVER_URL=https://hosted.mender.io")
    ),
    "metrics.json": TLS_ONLY,
    "integration-test.json": Example(http=8080, warnings=(UNVERIFIED,)),
    "docker.env": CONTAINER,
    "certificate-rotation.env": CONTAINER,
    "kubernetes.env": CONTAINER,
    "docker-compose.env": Example(https=8080, warnings=(UNVERIFIED,)),
}


def load(name: str, directory: Path) -> GatewayConfig:
    """Read an example, with all absolute paths below a directory."""
    text = (OFFICIAL / name).read_text("utf-8")
    file, lines = directory / name, list(EXAMPLES[name].rest)
    if name.endswith(".json"):
        file.write_text(text.replace('": "/', f'": "{directory}/'))
    else:
        file.write_text("{}")
        lines += text.splitlines()
    environ = dict(re.sub("=(?=/)", f"={directory}", line).split("=", 1) for line in lines)
    return load_config(str(file), environ)


class ReadingTests(SynchronousTestCase):
    """What the examples say, as the gateway understands it."""

    def setUp(self) -> None:
        """Read them."""
        directory = Path(self.mktemp())
        directory.mkdir()
        self.configs = {name: load(name, directory) for name in EXAMPLES}

    def test_all(self) -> None:
        """Every example that there is is tried, and explained beside the files."""
        files = {path.name for path in OFFICIAL.iterdir() if path.suffix in (".json", ".env")}
        self.assertEqual(files, set(EXAMPLES))
        explained = (OFFICIAL / "README.rst").read_text("utf-8")
        self.assertEqual(set(re.findall(r"\* - ``([\w.-]+)``", explained)), files)

    def test_warnings(self) -> None:
        """They bring up no warning but of what is not safe, or switched off."""
        for name, config in self.configs.items():
            warnings = [each.partition(": ")[2] for each in config.warnings]
            self.assertEqual(warnings, list(EXAMPLES[name].warnings), name)

    def test_ports(self) -> None:
        """They are listened on where they say."""
        for name, config in self.configs.items():
            for listener, port in (
                (config.http, EXAMPLES[name].http),
                (config.https, EXAMPLES[name].https),
            ):
                expected = None if port is None else ListenAddress("", port)
                self.assertEqual(listener.listen if listener.enabled else None, expected, name)
        self.assertEqual(self.configs["metrics.json"].metrics.listen, ListenAddress("", 9102))

    def test_features(self) -> None:
        """They have the features that they show."""
        artifacts = "configuration-file", "artifacts", "device-system", "integration"
        cache = "configuration-file.", "configuration-file-1.1", "artifacts-cache"
        mutual_tls = "configuration-file", "docker", "certificate-rotation", "kubernetes"
        for name, config in self.configs.items():
            proxy = config.features.artifacts_proxy
            self.assertEqual(proxy.enabled, name.startswith(artifacts), name)
            self.assertEqual(proxy.artifacts_cache.enabled, name.startswith(cache), name)
            self.assertEqual(config.features.mtls.enabled, name.startswith(mutual_tls), name)
            self.assertEqual(config.metrics.enabled, name.startswith("metrics"), name)

    def test_systems(self) -> None:
        """The keys of a system count where they are enabled, or stand at the top of the file."""
        for name, names in (
            ("configuration-file.json", None),
            ("configuration-file-1.1.json", ["region"]),
            ("device-system.json", []),
            ("default-inventory.json", ["region", "customer_name"]),
        ):
            system = self.configs[name].features.device_system
            attributes = [attribute.name for attribute in system.default_inventory]
            self.assertEqual(attributes if system.enabled else None, names, name)
            self.assertEqual(system.system_id, SYSTEM, name)


class StartTests(TestCase):
    """Gateways with the examples."""

    # A net only: nothing here takes long unless it hangs.
    timeout = 60

    def setUp(self) -> None:
        """Make the certificates that they name."""
        from twisted.internet import reactor

        self.reactor = reactor
        self.authority = root("device authority")
        self.server = root("server authority").issue("gateway", dns("gateway.example"))

    def provide(self, config: GatewayConfig) -> None:
        """Write the files that a configuration names."""
        mtls = config.features.mtls
        for path, content in (
            (config.https.server_certificate, self.server.chain_pem),
            (config.https.server_key, self.server.key_pem),
            (config.upstream_server.ca_certificate, pem_of(self.authority.certificate)),
            (mtls.ca_certificate, pem_of(self.authority.certificate)),
            (mtls.blacklist_path, b"0A1B2C3D4E\n"),
        ):
            if path:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_bytes(content)

    async def start(self, name: str) -> GatewayService:
        """Start a gateway with an example, and stop it after the test."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        config = load(name, directory)
        self.provide(config)
        free = ListenAddress(HOST, 0)
        config = attrs.evolve(
            config,
            http=attrs.evolve(config.http, listen=free),
            https=attrs.evolve(config.https, listen=free),
            metrics=attrs.evolve(config.metrics, listen=free),
        )
        gateway = build(config, self.reactor)
        gateway.startService()
        self.addCleanup(lambda: maybeDeferred(gateway.stopService))
        return gateway

    async def answer(self, listener: Listener, path: str, device: DeviceTLS | None) -> int:
        """Give the status of an answer, 0 for none; without a device it is asked for in plain."""
        return status(await get(self.reactor, HOST, listener.address.port, path, device))

    async def test_alive(self) -> None:
        """Each starts a gateway, and devices are told by either listener that it is alive."""
        device = DeviceTLS(self.authority.issue("device"))
        for name, example in EXAMPLES.items():
            gateway = await self.start(name)
            clients = [None] * (example.http is not None) + [device] * (example.https is not None)
            for listener, client in zip(gateway.listeners, clients, strict=True):
                self.assertEqual(await self.answer(listener, ALIVE, client), 204, name)

    async def test_metrics(self) -> None:
        """The one with metrics shows them."""
        gateway = await self.start("metrics.json")
        assert gateway.metrics is not None
        self.assertEqual(await self.answer(gateway.metrics.listener, "/metrics", None), 200)

    async def test_strangers(self) -> None:
        """With mutual TLS nobody gets in without a certificate, or with another authority's."""
        stranger = root("another").issue("device")
        for name in ("configuration-file.json", "docker.env", "docker-compose.env"):
            secure = (await self.start(name)).listeners[-1]
            for identity in (None, stranger):
                self.assertEqual(await self.answer(secure, ALIVE, DeviceTLS(identity)), 0, name)

    async def test_plain_port(self) -> None:
        """With mutual TLS the probes are answered without TLS, and nothing else is."""
        plain, _ = (await self.start("kubernetes.env")).listeners
        self.assertEqual(await self.answer(plain, ALIVE, None), 204)
        self.assertEqual(await self.answer(plain, POLL, None), 403)

    async def test_evaluation(self) -> None:
        """What the official page tells one to try by hand, ``GET /``, is answered with 404."""
        _, secure = (await self.start("docker.env")).listeners
        device = DeviceTLS(self.authority.issue("device"))
        self.assertEqual(await self.answer(secure, "/", device), 404)
