"""
The network of a benchmark: origin, server and devices, each in a namespace of its own.

The origin's link is the uplink, which can be made as narrow as a real one; the devices' is as fast
as the machine. A server's processes and sockets are all that is in its namespace.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import attrs

ORIGIN_ADDRESS = "10.87.0.1"
GATEWAY_ADDRESS = "10.87.1.1"
_GATEWAY_UPLINK = "10.87.0.2"
_DEVICES_ADDRESS = "10.87.1.2"


@attrs.frozen
class Namespace:
    """
    A network namespace.

    :param name: as ``ip netns`` knows it.
    """

    name: str

    def command(self, cpus: Sequence[int], command: Sequence[str]) -> list[str]:
        """
        Rewrite a command so that it runs in here; the process id stays that of the command.

        :param cpus: numbers of the processors it may use.
        """
        bound = ["taskset", "--cpu-list", ",".join(map(str, cpus))]
        mortal = ["setpriv", "--pdeathsig", "KILL", "--"]
        return ["ip", "netns", "exec", self.name, *mortal, *bound, *command]

    def processes(self) -> list[int]:
        """Give the ids of all processes in here."""
        return [int(number) for number in _ip("netns", "pids", self.name).split()]

    def sockets(self, *options: str) -> str:
        """Give what ss(8) says of the TCP sockets in here."""
        command = ["ip", "netns", "exec", self.name, "ss", "--no-header", "--numeric", "--tcp"]
        return subprocess.run(
            [*command, *options], check=True, capture_output=True, text=True
        ).stdout

    def empty(self) -> None:
        """
        Kill whatever runs in here, and wait until its ports are free.

        That is a little after it has left the list of processes.
        """
        while (processes := self.processes()) or self.sockets("--listening"):
            for number in processes:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.02)


@attrs.frozen
class Network:
    """
    The three namespaces, and the processors that their programs share.

    :param server_cpus: the one processor of the server that is measured.
    :param other_cpus: those of origin, devices and this process.
    """

    origin: Namespace
    gateway: Namespace
    devices: Namespace
    server_cpus: Sequence[int]
    other_cpus: Sequence[int]

    def narrow(self, megabits: float) -> None:
        """Let the origin send at most so many Mbit a second."""
        self.widen()
        shape = ["rate", f"{megabits}mbit", "burst", "256kb", "latency", "50ms"]
        _tc(self.origin, "add", "dev", "uplink", "root", "tbf", *shape)

    def widen(self) -> None:
        """Let the origin send as fast as it can."""
        if "tbf" in _tc(self.origin, "show", "dev", "uplink"):
            _tc(self.origin, "del", "dev", "uplink", "root")


@contextmanager
def network() -> Iterator[Network]:
    """
    Make the namespaces, and remove them at the end with all that runs in them.

    :raises PermissionError: the user is not root.
    """
    if os.geteuid() != 0:
        raise PermissionError("network namespaces: only root may make them")
    cpus = sorted(os.sched_getaffinity(0))
    server_cpus, other_cpus = cpus[:1], cpus[1:] or cpus
    names = [f"bench-{place}-{os.getpid()}" for place in ("origin", "gateway", "devices")]
    places = [Namespace(name) for name in names]
    try:
        for place in places:
            _ip("netns", "add", place.name)
            _ip("-n", place.name, "link", "set", "lo", "up")
        origin, gateway, devices = places
        _cable(origin, "uplink", ORIGIN_ADDRESS, gateway, "uplink", _GATEWAY_UPLINK)
        _cable(gateway, "devices", GATEWAY_ADDRESS, devices, "gateway", _DEVICES_ADDRESS)
        os.sched_setaffinity(0, other_cpus)
        yield Network(origin, gateway, devices, server_cpus, other_cpus)
    finally:
        os.sched_setaffinity(0, cpus)
        for place in places:
            if os.path.exists(f"/run/netns/{place.name}"):
                place.empty()
                _ip("netns", "del", place.name)


def _cable(
    here: Namespace, name: str, address: str, there: Namespace, peer: str, peer_address: str
) -> None:
    ends = [name, "netns", here.name, "type", "veth", "peer", "name", peer, "netns", there.name]
    _ip("link", "add", *ends)
    for place, end, its_address in ((here, name, address), (there, peer, peer_address)):
        _ip("-n", place.name, "addr", "add", f"{its_address}/24", "dev", end)
        _ip("-n", place.name, "link", "set", end, "up")


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def _tc(place: Namespace, *arguments: str) -> str:
    command = ["tc", "-n", place.name, "qdisc", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
