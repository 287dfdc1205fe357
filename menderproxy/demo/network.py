"""Everything the demo runs on loopback: Mender Server, store, gateway, and devices."""

from __future__ import annotations

import socket
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.protocols.policies import WrappingFactory
from twisted.web.resource import IResource
from twisted.web.server import Site

from menderproxy import gateway_service
from menderproxy.config.load import parse_config
from menderproxy.demo.artifact_store import DemoArtifactStore, DemoObject
from menderproxy.demo.certificates import Credentials, ThrowAwayAuthority
from menderproxy.demo.devices import SimulatedDevice
from menderproxy.demo.mender_server import DemoMenderServer, Release

# A literal address: a name would be tried over IPv6 first and cost the devices a pause.
LOOPBACK = "127.0.0.1"
_BUCKET = "hosted-mender-artifacts/demo-tenant"
_LINK_LIFETIME = 86400


class Network:
    """
    A factory's network in one process: the WAN side with its thin line, and the LAN side.

    :param reactor: runs it all.
    :param rate: of the WAN in bytes a second, ``None`` for no limit.
    :param https_port: wanted for the gateway's devices; another one is taken when it is busy.
    :param http_port: the same for plain HTTP.
    """

    def __init__(self, reactor: Any, *, rate: float | None, https_port: int, http_port: int):
        self.https_port = free_port(https_port)
        self.http_port = free_port(http_port)
        self.store = DemoArtifactStore(reactor, rate=rate, now=time.time)
        self.server = DemoMenderServer(link=self._link, seconds=reactor.seconds)
        self._reactor = reactor
        self._authority = ThrowAwayAuthority.create()
        self._directory = TemporaryDirectory(prefix="mender-gateway-demo-")
        self._store_url = ""
        self._ports: list[IListeningPort] = []
        self._sites: list[WrappingFactory] = []
        self._gateway: IService | None = None
        self._devices: list[SimulatedDevice] = []

    @property
    def gateway_url(self) -> str:
        """Where devices find the gateway."""
        return f"https://{LOOPBACK}:{self.https_port}"

    @property
    def authority_path(self) -> Path:
        """The file with the certificate that all of them trust."""
        return Path(self._directory.name, "authority.pem")

    async def start(self) -> None:
        """Start to listen everywhere; the gateway comes last."""
        self.authority_path.write_bytes(self._authority.certificate_pem)
        credentials = self._authority.issue(LOOPBACK, "localhost")
        self._store_url = await self._serve(self.store, credentials)
        server_url = await self._serve(self.server, credentials)
        document = self._configuration(server_url, *credentials.write(self._directory.name))
        gateway: IService = gateway_service(parse_config(document, environ={}), self._reactor)
        gateway.privilegedStartService()
        gateway.startService()
        self._gateway = gateway

    async def stop(self) -> None:
        """Stop what was started, and leave no file behind. May be called again."""
        for device in self._devices:
            await device.close()
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            await maybeDeferred(gateway.stopService)
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        for site in self._sites:
            for connection in [*site.protocols]:
                connection.abortConnection()
        self._directory.cleanup()

    def publish(self, artifact_name: str, device_type: str, length: int) -> DemoObject:
        """Upload an artifact of made-up bytes and deploy it to all devices of a type."""
        release = Release(str(uuid.uuid4()), artifact_name, (device_type,))
        stored = self.store.put(_key(release), length)
        self.server.deploy(release)
        return stored

    def add_device(self, device_type: str) -> SimulatedDevice:
        """Connect one more new device to the LAN."""
        number = len(self._devices) + 1
        device = SimulatedDevice(
            self._reactor,
            server_url=self.gateway_url,
            authority=self._authority.certificate,
            mac=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
            device_type=device_type,
        )
        self._devices.append(device)
        return device

    async def _serve(self, root: IResource, credentials: Credentials) -> str:
        options = credentials.server_options()
        endpoint = SSL4ServerEndpoint(self._reactor, 0, options, interface=LOOPBACK)
        site = WrappingFactory(Site(root, reactor=self._reactor))
        port = await endpoint.listen(site)
        self._sites.append(site)
        self._ports.append(port)
        return f"https://{LOOPBACK}:{port.getHost().port}"

    def _link(self, release: Release) -> str:
        return self.store.presign(self._store_url, _key(release), _LINK_LIFETIME)

    def _configuration(self, server_url: str, certificate: Path, key: Path) -> dict[str, object]:
        cache = {"Enabled": True, "Path": str(Path(self._directory.name, "cache"))}
        return {
            "Features": {
                "ArtifactsProxy": {
                    "Enabled": True,
                    "GatewayURL": self.gateway_url,
                    "DomainWhitelist": [LOOPBACK],
                    "ArtifactsCache": cache,
                }
            },
            "HTTP": {"Enabled": True, "Listen": f"{LOOPBACK}:{self.http_port}"},
            "HTTPS": {
                "Enabled": True,
                "Listen": f"{LOOPBACK}:{self.https_port}",
                "ServerCertificate": str(certificate),
                "ServerKey": str(key),
            },
            "UpstreamServer": {"URL": server_url, "CACertificate": str(self.authority_path)},
        }


def free_port(wanted: int) -> int:
    """Give the wanted loopback port, or any free one when that is busy."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on the loopback interface")


def _key(release: Release) -> str:
    return f"{_BUCKET}/{release.artifact_id}"
