"""What the end-to-end tests have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from twisted.trial.unittest import TestCase

from .artifact import Artifact
from .certificates import DeviceCertificate
from .device import Device
from .installation import Installation, installation
from .mender_connect import mender_connect
from .mutual_tls import MutualTLS, mutual_tls
from .processes import Program, Reactor
from .requirements import missing


class EndToEndTestCase(TestCase):
    """A test with real programs; it is skipped where they cannot run."""

    skip = missing()
    # Only a net below the time limits of the single steps, which name what did not happen.
    timeout = 300.0

    def setUp(self) -> None:
        """Make sure that whatever is started is ended, last things first."""
        from twisted.internet import reactor

        self.reactor: Reactor = reactor
        self._exits = AsyncExitStack()
        self.addCleanup(self._exits.aclose)

    async def install(
        self,
        *,
        cache: bool = True,
        versions: frozenset[int] = frozenset({1, 2}),
        mutual_tls: MutualTLS | None = None,
        limits: Mapping[str, str] | None = None,
    ) -> Installation:
        """Start an installation; see :func:`.installation.installation`."""
        starting = installation(
            self.reactor,
            self.directory(),
            cache=cache,
            versions=versions,
            mutual_tls=mutual_tls,
            limits=limits,
        )
        return await self._exits.enter_async_context(starting)

    async def mutual_tls(self, *, same_key: bool = False) -> MutualTLS:
        """Make an authority, and the settings of a gateway that trusts it."""
        return await mutual_tls(self.reactor, self.directory(), same_key=same_key)

    def directory(self) -> Path:
        """Name a new directory for files of the test."""
        return Path(self.mktemp()).resolve()

    async def restart_gateway(self, site: Installation, *, grace: float = 0.0) -> None:
        """
        End the gateway, and start it again.

        :param grace: how many seconds it gets to end; by default it is killed where it stands.
        """
        if grace:
            await site.gateway.stop(self.reactor, grace)
        else:
            await site.gateway.kill()
        await self._exits.enter_async_context(site.gateway_again())

    async def start(
        self,
        site: Installation,
        number: int,
        certificate: DeviceCertificate | None = None,
        auth_key: Path | None = None,
    ) -> Device:
        """Start a device; see :func:`.device.device`."""
        starting = site.device(number, certificate, auth_key)
        return await self._exits.enter_async_context(starting)

    async def start_mender_connect(self, device: Device) -> Program:
        """Start mender-connect on a device; see :func:`.mender_connect.mender_connect`."""
        return await self._exits.enter_async_context(mender_connect(self.reactor, device))

    async def connect(self, site: Installation, count: int = 1) -> list[Device]:
        """Start new devices, and wait until the server knows them all."""
        devices = [await self.start(site, number) for number in range(1, count + 1)]
        for device in devices:
            await site.connected(device)
        return devices

    async def assert_updated(
        self, site: Installation, artifact: Artifact, devices: Sequence[Device]
    ) -> None:
        """Every device reports success, and has installed the artifact's payload."""
        for device in devices:
            known = await site.reported(device, "success", "failure")
            self.assertEqual(known.statuses[-1], "success", known.log)
            self.assertTrue(device.has_installed(artifact), f"{device.client.name}: wrong bytes")

    def assert_downloaded_once(self, site: Installation, artifact: Artifact) -> None:
        """The store has answered one request, and with the whole artifact."""
        answers = [(seen.method, seen.status, seen.sent) for seen in site.store.accesses()]
        self.assertEqual(answers, [("GET", 200, artifact.length)])
