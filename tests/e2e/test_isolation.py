"""Tests: whatever a device has got, it has got from the gateway."""

from __future__ import annotations

from .namespaces import Namespace
from .network import Network
from .processes import CommandFailed, run
from .testcase import EndToEndTestCase

# Exit statuses of curl.
CONNECTED, NOT_CONNECTED = 0, 7


async def connect(network: Network, machine: Namespace, url: str) -> int:
    """Ask for a page, whatever it is, and return curl's exit status."""
    curl = ["curl", "--silent", "--insecure", "--connect-timeout", "5", url]
    try:
        await run(network.reactor, *machine.command(curl))
    except CommandFailed as failed:
        return failed.status
    return CONNECTED


class IsolationTests(EndToEndTestCase):
    """Devices can reach the gateway and nothing else."""

    async def test_wan(self) -> None:
        """A device reaches the gateway, which reaches server and store; the device does not."""
        site = await self.install()
        network = site.network
        server, store = f"https://{network.server_address}", f"https://{network.store_address}"
        gateway = f"https://{network.gateway_address}"
        async with network.device(1) as device:
            self.assertEqual(await connect(network, network.gateway, server), CONNECTED)
            self.assertEqual(await connect(network, network.gateway, store), CONNECTED)
            self.assertEqual(await connect(network, device, gateway), CONNECTED)
            self.assertEqual(await connect(network, device, server), NOT_CONNECTED)
            self.assertEqual(await connect(network, device, store), NOT_CONNECTED)
