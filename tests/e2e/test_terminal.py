"""Tests: users reach devices behind the gateway from afar: real shells, and files."""

from __future__ import annotations

import os
import re

from .artifact import INSTALL_DIRECTORY
from .certificates import DeviceCertificate
from .device import Device
from .installation import Installation
from .network import mac_address
from .processes import until
from .remote_access import download, open_shell, upload
from .terminal_server import CONNECT, PING_INTERVAL, DeviceConnection
from .testcase import EndToEndTestCase

MIB = 1 << 20
TUNNEL = (
    rf"method=GET path={CONNECT} status=101 type=HTTP/1.1 bytes=(?P<bytes>\d+)"
    r" received=(?P<received>\d+) time=(?P<time>[\d.]+) from=(?P<address>\S+) route=deviceconnect"
)


class TerminalTests(EndToEndTestCase):
    """What users do with mender-connect on a device works through the gateway."""

    async def test_shell(self) -> None:
        """A shell takes keystrokes and answers, also when it was left alone beyond all limits."""
        seconds = 2
        self.assertLess(seconds, PING_INTERVAL)
        limits = ("HeaderTimeout", "IdleTimeout", "BodyTimeout", "UpstreamIdleTimeout")
        site = await self.install(limits=dict.fromkeys(limits, f"{seconds}s"))
        device, connection = await self.connect_terminal(site)
        shell = await open_shell(connection)
        ask = "kept=$((6 * 7)); cat /sys/class/net/eth0/address"
        await shell.type(ask, mac_address(device.number))
        pongs = connection.pongs + 2
        await until(self.reactor, lambda: connection.pongs >= pongs, "the device answers pings")
        await shell.type("echo it is $kept", "it is 42")
        connection.close()
        logged = await self.logged(site)
        self.assertGreater(float(logged["time"]), 2 * seconds)

    async def test_files(self) -> None:
        """A file of 20 MiB gets to a device and back, and the log says how much that was."""
        site = await self.install()
        device, connection = await self.connect_terminal(site)
        content = os.urandom(20 * MIB)
        await upload(connection, f"{INSTALL_DIRECTORY}/file", content)
        await until(self.reactor, lambda: device.read("file") is not None, "the file is there")
        self.assertTrue(device.read("file") == content, "wrong bytes on the device")
        returned = await download(connection, f"{INSTALL_DIRECTORY}/file")
        self.assertTrue(returned == content, "wrong bytes from the device")
        connection.close()
        logged = await self.logged(site)
        self.assertEqual(logged["address"], device.address)
        for direction in ("bytes", "received"):
            # Each message has a head of its own, and is acknowledged.
            self.assertGreater(int(logged[direction]), 20 * MIB)
            self.assertLess(int(logged[direction]), 24 * MIB)

    async def test_reconnect(self) -> None:
        """When the server closes, or the gateway is restarted, mender-connect comes back."""
        tls = await self.mutual_tls()
        site = await self.install(mutual_tls=tls)
        _, connection = await self.connect_terminal(site, await tls.authority.issue())
        connection.close()
        await self.logged(site)
        connection = await self.connection(site, 2)
        await self.assert_usable(connection)
        await self.restart_gateway(site, grace=10)
        self.assertEqual(len(re.findall(TUNNEL, site.gateway.output())), 2)
        self.assertFalse(connection.is_open)
        await self.assert_usable(await self.connection(site, 3))

    async def connect_terminal(
        self, site: Installation, certificate: DeviceCertificate | None = None
    ) -> tuple[Device, DeviceConnection]:
        """Start a device with mender-connect, and wait until it has connected."""
        device = await self.start(site, 1, certificate)
        await self.start_mender_connect(device)
        return device, await self.connection(site, 1)

    async def connection(self, site: Installation, number: int) -> DeviceConnection:
        """Wait until mender-connect has connected that many times; return the last connection."""
        connections = site.terminals.connections
        what = f"mender-connect connects ({number})"
        await until(self.reactor, lambda: len(connections) >= number, what)
        self.assertEqual(len(connections), number)
        return connections[-1]

    async def logged(self, site: Installation) -> re.Match[str]:
        """Wait until the gateway has logged the end of its first tunnel; return what it says."""
        await site.logged(TUNNEL)
        logged = re.search(TUNNEL, site.gateway.output())
        assert logged is not None
        return logged

    async def assert_usable(self, connection: DeviceConnection) -> None:
        """A shell answers."""
        shell = await open_shell(connection)
        await shell.type("echo $((6 * 7))", "42")
