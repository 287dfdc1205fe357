"""What the end-to-end tests have in common."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from twisted.trial.unittest import TestCase

from .device import Device
from .installation import Installation, installation
from .requirements import missing


class EndToEndTestCase(TestCase):
    """A test with real programs; it is skipped where they cannot run."""

    skip = missing()
    # Only a net below the time limits of the single steps, which name what did not happen.
    timeout = 300.0

    def setUp(self) -> None:
        """Make sure that whatever is started is ended, last things first."""
        self._exits = AsyncExitStack()
        self.addCleanup(self._exits.aclose)

    async def install(
        self, *, cache: bool = True, versions: frozenset[int] = frozenset({1, 2})
    ) -> Installation:
        """Start an installation; see :func:`.installation.installation`."""
        from twisted.internet import reactor

        directory = Path(self.mktemp()).resolve()
        return await self._exits.enter_async_context(
            installation(reactor, directory, cache=cache, versions=versions)
        )

    async def restart_gateway(self, site: Installation) -> None:
        """Kill the gateway where it stands, and start it again."""
        await site.gateway.kill()
        await self._exits.enter_async_context(site.gateway_again())

    async def connect(self, site: Installation, count: int = 1) -> list[Device]:
        """Start new devices, and wait until the server knows them all."""
        devices = [
            await self._exits.enter_async_context(site.device(number))
            for number in range(1, count + 1)
        ]
        for device in devices:
            await site.connected(device)
        return devices
