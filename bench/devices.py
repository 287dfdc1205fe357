"""The devices: a load generator in C, compiled when it is first needed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import attrs

from bench.network import GATEWAY_ADDRESS, Network

_SOURCE = Path(__file__).parent / "load"


class ToolMissing(Exception):
    """A program that the benchmark itself cannot do without is not installed."""


@attrs.frozen
class Outcome:
    """
    What a fleet of devices saw; times are in seconds.

    :param good: requests whose answer was right in each byte.
    :param failed: requests that got another answer, or none.
    :param bytes: bodies, those of failed requests too.
    :param seconds: until the last device was done.
    :param cpu: what the devices themselves used; near *seconds*, they were the bottleneck.
    :param failure: what went wrong first, in words.
    :param first_p50: from the start of a request (or its connection) to the first byte of the body.
    :param last_p50: likewise to the last one.
    """

    good: int
    failed: int
    bytes: int
    seconds: float
    cpu: float
    failure: str
    first_p50: float = 0.0
    first_p99: float = 0.0
    first_max: float = 0.0
    last_p50: float = 0.0
    last_p99: float = 0.0
    last_max: float = 0.0


@attrs.frozen
class Devices:
    """
    Starts fleets of devices.

    :param program: the compiled load generator.
    :param certificates: directory of ``ca.pem``, and of the devices' certificate and key.
    """

    network: Network
    program: Path
    certificates: Path

    def command(self, kind: str, port: int, target: str, **options: object) -> list[str]:
        """
        Give the command of a fleet.

        :param kind: ``plain``, ``tls``, or ``mutual`` for TLS with a device's certificate.
        :param options: those of the load generator; ``True`` for one without a value.
        """
        flags = [
            f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()
        ]
        if kind != "plain":
            flags.append(f"--ca={self.certificates / 'ca.pem'}")
        if kind == "mutual":
            flags.append(f"--certificate={self.certificates / 'device' / 'certificate.pem'}")
            flags.append(f"--key={self.certificates / 'device' / 'key.pem'}")
        fleet = [str(self.program), *flags, GATEWAY_ADDRESS, str(port), target]
        return self.network.devices.command(self.network.other_cpus, fleet)

    def start(
        self, kind: str, port: int, target: str, **options: object
    ) -> subprocess.Popen[bytes]:
        """Start a fleet, to be waited for with :func:`outcome`."""
        command = self.command(kind, port, target, **options)
        return subprocess.Popen(command, stdout=subprocess.PIPE)


def outcome(fleet: subprocess.Popen[bytes]) -> Outcome:
    """
    Wait for a fleet.

    :raises RuntimeError: the load generator itself failed.
    """
    printed, _ = fleet.communicate()
    if fleet.returncode != 0:
        raise RuntimeError(f"load generator: exit status {fleet.returncode}")
    return Outcome(**json.loads(printed))


def compiled(directory: Path) -> Path:
    """
    Compile the load generator.

    :raises ToolMissing: there is no compiler, or no OpenSSL to build with.
    """
    program = directory / "load"
    sources = [str(path) for path in sorted(_SOURCE.glob("*.c"))]
    command = ["gcc", "-O2", "-D_GNU_SOURCE", "-o", str(program), *sources, "-lssl", "-lcrypto"]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolMissing(f"load generator: {error}; it needs gcc and libssl-dev") from error
    return program
