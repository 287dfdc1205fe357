"""Where servers are measured: the network, the origin, the devices, one server at a time."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from bench.accounting import Account, accounted
from bench.devices import Devices, Outcome, compiled, outcome
from bench.network import GATEWAY_ADDRESS, ORIGIN_ADDRESS, Network, network
from bench.origin import ORIGIN_NAME, POLL, Artifact, Origin, origin
from bench.servers import PLAIN_PORT, TLS_PORT, Server, Site
from menderproxy.demo.certificates import ThrowAwayAuthority

_PATIENCE = 30.0


def _part(content: bytes) -> str:
    return urlsafe_b64encode(content).decode("ascii").rstrip("=")


# What is in a token of the Mender Server, and as long.
_CLAIMS = {
    "jti": "f2d0a2cd-4bb2-4b6c-9a3c-7a2b3a1a54f0",
    "sub": "8b0c6e7e-4f6d-4f0a-a9a0-5f2f4c3f7b1d",
    "exp": 1790604800,
    "iss": "Mender",
    "mender.tenant": "5f1f7b1d8b0c6e7e4f6d4f0a",
    "mender.plan": "enterprise",
    "mender.device": True,
}
_TOKEN = ".".join(
    (
        "Authorization: Bearer " + _part(b'{"alg":"RS256","typ":"JWT"}'),
        _part(json.dumps(_CLAIMS).encode("ascii")),
        _part(bytes(256)),
    )
)


class NotServing(Exception):
    """A server did not come to serve; the text has the last that it said."""


@attrs.define
class Running:
    """
    A server that serves, and devices to ask it.

    :param kind: of the devices' connections: ``plain``, ``tls`` or ``mutual``.
    :ivar start: seconds from its start to its first answer.
    """

    server: Server
    kind: str
    laboratory: Laboratory
    start: float = 0.0

    def fetch(self, artifact: Artifact | None = None, **options: object) -> subprocess.Popen[bytes]:
        """
        Start devices that download an artifact, and check it.

        :param artifact: the origin's first one, unless it is told.
        """
        artifact = artifact or self.laboratory.origin.artifact
        target = self.server.target(artifact.target)
        options = {"expect": artifact.file, **options}
        return self.laboratory.devices.start(self.kind, self._port, target, **options)

    def fetched(self, artifact: Artifact | None = None, **options: object) -> Outcome:
        """Let devices download an artifact, and wait for the last one."""
        return outcome(self.fetch(artifact, **options))

    def start_polls(self, **options: object) -> subprocess.Popen[bytes]:
        """Start devices that ask whether there is a deployment."""
        return self.laboratory.devices.start(self.kind, self._port, POLL, header=_TOKEN, **options)

    def poll(self, **options: object) -> Outcome:
        """Let devices ask whether there is a deployment, and wait for the last one."""
        return outcome(self.start_polls(**options))

    @contextmanager
    def accounted(self) -> Iterator[Account]:
        """Take account of what the server uses."""
        with accounted(self.laboratory.network.gateway) as account:
            yield account

    @property
    def _port(self) -> int:
        return PLAIN_PORT if self.kind == "plain" else TLS_PORT


@attrs.frozen
class Laboratory:
    """
    All but the server.

    :param directory: for everybody's files.
    """

    directory: Path
    network: Network
    origin: Origin
    devices: Devices

    @contextmanager
    def serving(self, server: Server, kind: str) -> Iterator[Running]:
        """
        Run a server whose cache is empty, from the moment that it answers.

        :raises NotServing: it does not.
        """
        directory = self.directory / "server"
        directory.mkdir()
        site = Site(directory, self.directory / "certificates", kind == "mutual")
        command = self.network.gateway.command(self.network.server_cpus, server.configure(site))
        log = directory / "output"
        began = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output)
        try:
            running = Running(server, kind, self)
            _wait_until_it_answers(running, process, log)
            running.start = time.monotonic() - began
            yield running
        finally:
            self.network.gateway.empty()
            process.wait(10)
            shutil.rmtree(directory)


def _wait_until_it_answers(running: Running, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not (seen := running.poll(seconds=5)).good:
        if process.poll() is not None or time.monotonic() > deadline:
            said = " / ".join(log.read_text(errors="replace").split("\n")[-4:])
            said = said.replace(str(running.laboratory.directory), "...")
            raise NotServing(f"does not serve: {seen.failure}: {said}")
        time.sleep(0.01)


@contextmanager
def laboratory(length: int) -> Iterator[Laboratory]:
    """
    Set it up, and take it down at the end.

    :param length: of the artifact, in bytes.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name, network() as its_network:
        directory = Path(name)
        certificates = directory / "certificates"
        _issue(certificates)
        with origin(its_network, directory, length) as its_origin:
            devices = Devices(its_network, compiled(directory), certificates)
            yield Laboratory(directory, its_network, its_origin, devices)


def _issue(directory: Path) -> None:
    authority = ThrowAwayAuthority.create("Benchmark")
    names = {
        "origin": (ORIGIN_NAME, ORIGIN_ADDRESS),
        "gateway": ("gateway.test", GATEWAY_ADDRESS),
        "device": ("device.test",),
    }
    for owner, its_names in names.items():
        (directory / owner).mkdir(parents=True)
        authority.issue(*its_names).write(directory / owner)
    (directory / "ca.pem").write_bytes(authority.certificate_pem)
