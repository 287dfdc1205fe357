"""Tests: real devices are updated through the gateway from a real store."""

from __future__ import annotations

from twisted.internet.task import deferLater

from .network import mac_address
from .testcase import EndToEndTestCase

MIB = 1 << 20
NEXT = "/deployments/device/deployments/next"


class UpdateTests(EndToEndTestCase):
    """Devices end up with the artifact's very bytes, and the store is asked for them once."""

    async def test_one_device(self) -> None:
        """A device that sent its inventory is updated with a single download from the store."""
        site = await self.install()
        [device] = await self.connect(site)
        inventory = site.server.devices[device.identity].inventory
        self.assertEqual(inventory["mac_eth0"], mac_address(device.number))
        artifact = await site.release("release-1", 8 * MIB)
        site.deploy(artifact)
        await self.assert_updated(site, artifact, [device])
        self.assert_downloaded_once(site, artifact)

    async def test_five_devices_at_once(self) -> None:
        """Five devices that want the artifact before any of them has it share one download."""
        site = await self.install()
        devices = await self.connect(site, 5)
        artifact = await site.release("release-1", 24 * MIB)
        with site.store.nginx.paused():
            site.deploy(artifact)
            for device in devices:
                await site.reported(device, "downloading")
        await self.assert_updated(site, artifact, devices)
        self.assert_downloaded_once(site, artifact)

    async def test_without_cache(self) -> None:
        """A gateway that keeps no artifacts still passes them on."""
        site = await self.install(cache=False)
        devices = await self.connect(site)
        artifact = await site.release("release-1", 8 * MIB)
        site.deploy(artifact)
        await self.assert_updated(site, artifact, devices)
        self.assert_downloaded_once(site, artifact)

    async def test_server_without_v2(self) -> None:
        """A server's 404 reaches the device, which falls back to the older API."""
        site = await self.install(versions=frozenset({1}))
        devices = await self.connect(site)
        artifact = await site.release("release-1", 8 * MIB)
        site.deploy(artifact)
        await self.assert_updated(site, artifact, devices)
        asked = [seen.path for seen in site.server.requests if seen.path.endswith(NEXT)]
        v2, v1 = f"/api/devices/v2{NEXT}", f"/api/devices/v1{NEXT}"
        # The last poll may be half done.
        polls = zip(asked[::2], asked[1::2], strict=False)
        self.assertEqual(set(polls), {(v2, v1)})
        self.assert_downloaded_once(site, artifact)


class RestartTests(EndToEndTestCase):
    """A gateway that dies under a download, which is what its own update may look like."""

    async def test_killed(self) -> None:
        """The device resumes after its minute, and the store is asked for the rest only."""
        site = await self.install()
        [device] = await self.connect(site)
        artifact = await site.release("release-1", 48 * MIB)
        site.deploy(artifact)
        reactor = site.network.reactor
        while site.fetched() < MIB:
            await deferLater(reactor, 0.005)
        with site.store.nginx.paused():
            await self.restart_gateway(site)
        known = await site.reported(device, "success", "failure", seconds=200)
        self.assertEqual(known.statuses[-1], "success", known.log)
        self.assertTrue(device.has_installed(artifact))
        [first, rest] = site.store.accesses()
        self.assertEqual((first.status, rest.status), (200, 206))
        self.assertLess(first.sent, artifact.length)
        self.assertLess(rest.sent, artifact.length - MIB // 2)
