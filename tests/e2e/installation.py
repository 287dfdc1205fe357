"""An installation: server, store and gateway, up and running, waiting for devices."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import attrs

from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.demo.mender_server import DemoDevice, DemoMenderServer, Release

from .artifact import DEVICE_TYPE, Artifact, make_artifact
from .certificates import DeviceCertificate
from .device import Device, device
from .gateway import gateway, serving
from .mender_server import mender_server
from .mutual_tls import SERVICE_PASSWORD, SERVICE_USER, MutualTLS
from .network import Network, network
from .processes import Program, Reactor, until
from .store import Store, store
from .terminal_server import TerminalServer


@attrs.frozen
class Installation:
    """
    Everything but the devices; made by :func:`installation`.

    :param server: the upstream Mender Server.
    :param terminals: its end of remote terminals.
    """

    network: Network
    store: Store
    server: DemoMenderServer
    terminals: TerminalServer
    gateway: Program
    _lan_authority: ThrowAwayAuthority
    _directory: Path

    @property
    def gateway_directory(self) -> Path:
        """Where the gateway's files are; see :func:`.gateway.gateway`."""
        return self._directory / "gateway"

    def gateway_again(self) -> AbstractAsyncContextManager[Program]:
        """Run the gateway again after its end, with the files it left."""
        return serving(self.network, self.gateway_directory)

    def fetched(self) -> int:
        """How many bytes of an artifact in flight the gateway has on its disk."""
        parts = (self.gateway_directory / "cache" / "partial").glob("*.part")
        return sum(part.stat().st_size for part in parts)

    def device(
        self,
        number: int,
        certificate: DeviceCertificate | None = None,
        auth_key: Path | None = None,
    ) -> AbstractAsyncContextManager[Device]:
        """Run a device, a new one or one that ran before; see :func:`.device.device`."""
        directory = self._directory / f"device-{number}"
        authority = self._lan_authority
        return device(self.network, number, authority, directory, certificate, auth_key)

    async def release(self, name: str, length: int) -> Artifact:
        """Make an artifact with *length* bytes of payload, and upload it."""
        artifact = await make_artifact(self.network.reactor, name, length, self._directory / name)
        await self.store.upload(artifact)
        return artifact

    def deploy(self, artifact: Artifact) -> None:
        """Order every device to be updated."""
        self.server.deploy(Release(artifact.id, artifact.name, (DEVICE_TYPE,)))

    async def connected(self, device: Device) -> DemoDevice:
        """Wait until the server has got a device's inventory; return what it knows of it."""

        def inventory_is_known() -> bool:
            device.client.check_running()
            known = self.server.devices.get(device.identity)
            return known is not None and bool(known.inventory)

        await until(self.network.reactor, inventory_is_known, f"inventory of {device.client.name}")
        return self.server.devices[device.identity]

    async def reported(self, device: Device, *statuses: str, seconds: float = 60.0) -> DemoDevice:
        """
        Wait until the last that a device has reported of its update is one of *statuses*.

        :param seconds: how long that may take.
        """
        known = self.server.devices[device.identity]

        def is_reported() -> bool:
            device.client.check_running()
            return known.statuses[-1:] in [[status] for status in statuses]

        what = f"{device.client.name} reports {' or '.join(statuses)}"
        await until(self.network.reactor, is_reported, what, seconds)
        return known

    async def logged(self, pattern: str, times: int = 1) -> None:
        """
        Wait until the gateway has logged something.

        :param pattern: a regular expression.
        :param times: how often.
        """

        def is_logged() -> bool:
            self.gateway.check_running()
            return len(re.findall(pattern, self.gateway.output())) >= times

        await until(self.network.reactor, is_logged, f"the gateway logs {pattern!r}")


@asynccontextmanager
async def installation(
    reactor: Reactor,
    directory: Path,
    *,
    cache: bool = True,
    versions: frozenset[int] = frozenset({1, 2}),
    mutual_tls: MutualTLS | None = None,
    limits: Mapping[str, str] | None = None,
) -> AsyncIterator[Installation]:
    """
    Run an installation.

    :param directory: for all files; it is created, and kept: the logs are in there.
    :param cache: whether the gateway keeps artifacts.
    :param versions: of the deployments API that the server knows.
    :param mutual_tls: lets devices in; ``None``: the server accepts whoever asks.
    :param limits: the gateway's, where they are not to be the default ones.
    """
    directory.mkdir(parents=True)
    passwords = {SERVICE_USER: SERVICE_PASSWORD} if mutual_tls else {}
    wan, lan = ThrowAwayAuthority.create("WAN"), ThrowAwayAuthority.create("LAN")
    async with (
        network(reactor) as built,
        store(built, wan, directory / "store") as artifacts,
        mender_server(built, artifacts, wan, versions, passwords) as (server, terminals),
        gateway(
            built,
            wan,
            lan,
            directory / "gateway",
            cache=cache,
            mutual_tls=mutual_tls,
            limits=limits or {},
        ) as between,
    ):
        yield Installation(built, artifacts, server, terminals, between, lan, directory)
