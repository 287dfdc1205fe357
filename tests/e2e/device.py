"""A device: Debian's Mender client, which believes it has a whole machine to itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import attrs

from menderproxy.demo.certificates import ThrowAwayAuthority

from .artifact import DEVICE_TYPE, INSTALL_DIRECTORY, INSTALLED_NAME, Artifact
from .certificates import DeviceCertificate
from .message_bus import BUS_ENVIRONMENT, message_bus
from .namespaces import Namespace
from .network import GATEWAY_NAME, Network, device_address, hosts, mac_address
from .processes import Program, Reactor, running
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
}


@attrs.frozen
class Device:
    """
    A running device; made by :func:`device`.

    :param number: tells its MAC address, which is its identity.
    :param client: the Mender client.
    :param directory: with its files.
    """

    number: int
    machine: Namespace
    client: Program
    directory: Path
    _files: Mapping[str, Path] = attrs.field(repr=False)

    @property
    def identity(self) -> str:
        """What Debian's identity script reports, as the server writes it."""
        return json.dumps({"mac": mac_address(self.number)}, separators=(",", ":"))

    @property
    def address(self) -> str:
        """Where it is on the LAN."""
        return device_address(self.number)

    def has_installed(self, artifact: Artifact) -> bool:
        """Whether the file that it was updated with is exactly that of the artifact."""
        return self.read(INSTALLED_NAME) == artifact.payload

    def read(self, name: str) -> bytes | None:
        """Read a file that is on its disk; ``None`` when there is no such file."""
        path = self._files[INSTALL_DIRECTORY] / name
        return path.read_bytes() if path.exists() else None

    def running(
        self, reactor: Reactor, name: str, arguments: Sequence[str], grace: float
    ) -> AbstractAsyncContextManager[Program]:
        """Keep another program running beside the client; see :func:`.processes.running`."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        command = self.machine.command(arguments, self._files)
        name = f"{name} of device {self.number}"
        return running(reactor, name, command, directory / "log", BUS_ENVIRONMENT, grace)


@asynccontextmanager
async def device(
    network: Network,
    number: int,
    authority: ThrowAwayAuthority,
    directory: Path,
    certificate: DeviceCertificate | None = None,
    auth_key: Path | None = None,
) -> AsyncIterator[Device]:
    """
    Run a device: a new one with software from the factory, or one that ran before, once more.

    :param authority: the only one it trusts besides those of the system.
    :param directory: for its files; those of an earlier run are its memory.
    :param certificate: what it shows to the gateway.
    :param auth_key: what it asks for its token with: by default the certificate's key, without a
        certificate one that it makes itself.
    """
    files = _write_files(directory, network.gateway_address, authority)
    _configure(directory, certificate, auth_key)
    options = ("--no-syslog", "--log-level", "debug", "--data", str(directory / "data"))
    name, log = f"device {number}", directory / "log"
    async with (
        network.device(number) as machine,
        message_bus(network.reactor, f"bus of {name}", machine, directory / "bus"),
    ):
        command = machine.command([program("mender"), *options, "daemon"], files)
        async with running(network.reactor, name, command, log, BUS_ENVIRONMENT) as client:
            yield Device(number, machine, client, directory, files)


def _write_files(directory: Path, gateway: str, authority: ThrowAwayAuthority) -> dict[str, Path]:
    """Write the device's own files; return them by the paths at which its programs see them."""
    etc, data, disk = directory / "etc", directory / "data", directory / "disk"
    for folder in (etc, data, disk):
        folder.mkdir(parents=True, exist_ok=True)
    (data / "device_type").write_text(f"device_type={DEVICE_TYPE}\n")
    (etc / "artifact_info").write_text(f"artifact_name={_FACTORY_ARTIFACT}\n")
    (etc / "authority.pem").write_bytes(authority.certificate_pem)
    (directory / "hosts").write_text(hosts({GATEWAY_NAME: gateway}))
    return {
        "/etc/mender": etc,
        "/etc/hosts": directory / "hosts",
        "/usr/share/mender/identity": _copy_scripts(directory / "identity", _IDENTITY),
        "/usr/share/mender/inventory": _copy_scripts(directory / "inventory", *_INVENTORY),
        INSTALL_DIRECTORY: disk,
    }


def _configure(
    directory: Path, certificate: DeviceCertificate | None, auth_key: Path | None
) -> None:
    """Write the client's configuration, with the certificate and the keys that it names."""
    etc = directory / "etc"
    device_type = str(directory / "data" / "device_type")
    configuration: dict[str, object] = {**_CONFIGURATION, "DeviceTypeFile": device_type}
    if certificate is not None:
        shutil.copy(certificate.path, etc / "certificate.pem")
        shutil.copy(certificate.key, etc / "key.pem")
        shutil.copy(auth_key or certificate.key, etc / "auth.pem")
        shown = {"Certificate": "/etc/mender/certificate.pem", "Key": "/etc/mender/key.pem"}
        configuration["HttpsClient"] = shown
        configuration["Security"] = {"AuthPrivateKey": "/etc/mender/auth.pem"}
    (etc / "mender.conf").write_text(json.dumps(configuration))


def _copy_scripts(directory: Path, *names: str) -> Path:
    directory.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(_EXAMPLES / name, directory)
        (directory / name).chmod(0o755)
    return directory
