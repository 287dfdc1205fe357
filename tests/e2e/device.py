"""A device: Debian's Mender client, which believes it has a whole machine to itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from menderproxy.demo.certificates import ThrowAwayAuthority

from .artifact import DEVICE_TYPE, INSTALL_DIRECTORY, INSTALLED_NAME, Artifact
from .namespaces import Namespace
from .network import GATEWAY_NAME, Network, hosts, mac_address
from .processes import Program, running
from .requirements import program

TENANT_TOKEN = "e2e-tenant-token"
_FACTORY_ARTIFACT = "factory"

# Debian ships the scripts as examples and leaves it to the integrator to put them in place.
_EXAMPLES = Path("/usr/share/doc/mender-client/examples")
_IDENTITY = "mender-device-identity"
_INVENTORY = ("mender-inventory-hostinfo", "mender-inventory-network")
_CONFIGURATION = {
    "ServerURL": f"https://{GATEWAY_NAME}",
    "ServerCertificate": "/etc/mender/authority.pem",
    "TenantToken": TENANT_TOKEN,
    "UpdatePollIntervalSeconds": 2,
    "InventoryPollIntervalSeconds": 5,
    "RetryPollIntervalSeconds": 2,
    "DBus": {"Enabled": False},
}


@attrs.frozen
class Device:
    """
    A running device; made by :func:`device`.

    :param number: tells its MAC address, which is its identity.
    :param client: the Mender client.
    """

    number: int
    machine: Namespace
    client: Program
    _disk: Path

    @property
    def identity(self) -> str:
        """What Debian's identity script reports, as the server writes it."""
        return json.dumps({"mac": mac_address(self.number)}, separators=(",", ":"))

    def has_installed(self, artifact: Artifact) -> bool:
        """Whether the file that it was updated with is exactly that of the artifact."""
        installed = self._disk / INSTALLED_NAME
        return installed.exists() and installed.read_bytes() == artifact.payload


@asynccontextmanager
async def device(
    network: Network, number: int, authority: ThrowAwayAuthority, directory: Path
) -> AsyncIterator[Device]:
    """
    Run a device that is new: it has no key yet, and the software from the factory.

    :param authority: the only one it trusts besides those of the system.
    :param directory: for its files; it is created.
    """
    files = _write_files(directory, network.gateway_address, authority)
    data, disk = directory / "data", directory / "disk"
    options = ("--no-syslog", "--log-level", "debug", "--data", str(data))
    async with network.device(number) as machine:
        command = machine.command([program("mender"), *options, "daemon"], files)
        log = directory / "log"
        async with running(network.reactor, f"device {number}", command, log) as client:
            yield Device(number, machine, client, disk)


def _write_files(directory: Path, gateway: str, authority: ThrowAwayAuthority) -> dict[str, Path]:
    """Write the device's own files; return them by the paths at which its programs see them."""
    etc, data, disk = directory / "etc", directory / "data", directory / "disk"
    for folder in (etc, data, disk):
        folder.mkdir(parents=True)
    (data / "device_type").write_text(f"device_type={DEVICE_TYPE}\n")
    (etc / "artifact_info").write_text(f"artifact_name={_FACTORY_ARTIFACT}\n")
    (etc / "authority.pem").write_bytes(authority.certificate_pem)
    configuration = {**_CONFIGURATION, "DeviceTypeFile": str(data / "device_type")}
    (etc / "mender.conf").write_text(json.dumps(configuration))
    (directory / "hosts").write_text(hosts({GATEWAY_NAME: gateway}))
    return {
        "/etc/mender": etc,
        "/etc/hosts": directory / "hosts",
        "/usr/share/mender/identity": _copy_scripts(directory / "identity", _IDENTITY),
        "/usr/share/mender/inventory": _copy_scripts(directory / "inventory", *_INVENTORY),
        INSTALL_DIRECTORY: disk,
    }


def _copy_scripts(directory: Path, *names: str) -> Path:
    directory.mkdir()
    for name in names:
        shutil.copy(_EXAMPLES / name, directory)
        (directory / name).chmod(0o755)
    return directory
