"""
``python -m bench.soak.idle``: ten thousand devices are connected and idle, a thousand drip.

Measures how long a healthy device waits for its answers before, beside the idle ones, and beside
the dripping ones; what memory the gateway takes; and whether each dripper is cut at the deadline
for heads. Exits with 1 if one of the limits is broken. Needs root, for so many open files.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles

import attrs

import menderproxy
from bench.soak.crowd import Crowd, Target, raise_file_limit
from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.demo.network import LOOPBACK, free_port

HEADER_TIMEOUT = 10.0
PATIENCE = 5.0
"""Seconds more that a dripper may take to notice, and a busy machine to cut it."""

MOST_MEMORY = 400
"""Resident MiB, with all of them connected."""

WORSE_AT_MOST = 3.0
"""Times a healthy device's usual time, at the median, for an answer."""

_PERCENT = 100
_MIB = 1024
_BETWEEN_POLLS = 0.01
_EACH = 10.0
_ASKED_AGAIN = 20

_UPSTREAM = """
import sys
from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
class Nothing(Resource):
    isLeaf = True
    def render(self, request):
        request.setResponseCode(204)
        request.finish()
        return NOT_DONE_YET
reactor.listenTCP(int(sys.argv[1]), Site(Nothing()), interface="127.0.0.1")
reactor.run()
"""


@attrs.define
class Poller:
    """
    A healthy device, which polls.

    :ivar kept: seconds for each answer on the kept connection.
    :ivar new: seconds for a connection and an answer on it.
    """

    target: Target
    kept: list[float] = attrs.field(factory=list)
    new: list[float] = attrs.field(factory=list)
    _context: ssl.SSLContext = attrs.field(init=False)
    _connection: http.client.HTTPSConnection | None = None

    def __attrs_post_init__(self) -> None:
        self._context = self.target.context()

    def poll(self) -> None:
        """Poll ten times on the kept connection, and once on a new one."""
        self.new.append(self._timed(self._connect()))
        if self._connection is None:
            self._connection = self._connect()
            self._ask(self._connection)
        for _ in range(10):
            self.kept.append(self._timed(self._connection))
            time.sleep(_BETWEEN_POLLS)

    def poll_for(self, seconds: float) -> None:
        """Poll for some time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.poll()

    def take(self) -> tuple[list[float], list[float]]:
        """Give the times since this was asked last: of kept connections, and of new ones."""
        kept, new = self.kept, self.new
        self.kept, self.new = [], []
        return kept, new

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            self.target.host, self.target.port, context=self._context, timeout=60
        )

    def _timed(self, connection: http.client.HTTPSConnection) -> float:
        began = time.perf_counter()
        self._ask(connection)
        took = time.perf_counter() - began
        if connection is not self._connection:
            connection.close()
        return took

    def _ask(self, connection: http.client.HTTPSConnection) -> None:
        connection.request("GET", "/api/devices/v1/nothing")
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.NO_CONTENT:
            raise ConnectionError(f"a healthy device was answered {answer.status}")


@attrs.frozen
class Site:
    """The running gateway, and where devices find it."""

    process: subprocess.Popen[bytes]
    target: Target

    def memory(self) -> dict[str, int]:
        """Give its resident memory, all of it and what belongs to no file, in MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return {name: int(status[name].split()[0]) // _MIB for name in ("VmRSS", "RssAnon")}


@contextmanager
def site(directory: Path, connections: int, *, mutual: bool) -> Iterator[Site]:
    """
    Start a gateway with room for so many connections, and a server behind it.

    :param mutual: whether devices have to show a certificate.
    """
    authority = ThrowAwayAuthority.create("Idle")
    (directory / "ca.pem").write_bytes(authority.certificate_pem)
    for owner, name in (("gateway", LOOPBACK), ("device", "device.test")):
        (directory / owner).mkdir()
        authority.issue(name).write(directory / owner)
    server_port, https_port = free_port(0), free_port(0)
    document = _configuration(directory, server_port, https_port, connections, mutual)
    (directory / "gateway.conf").write_text(json.dumps(document))
    target = Target(LOOPBACK, https_port, directory / "ca.pem", directory / "device")
    twistd = [str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile="]
    gateway = [*twistd, "mender-gateway", "--config", str(directory / "gateway.conf")]
    path = f"PYTHONPATH={Path(menderproxy.__file__).parents[1]}"
    with ExitStack() as stack:
        log = stack.enter_context((directory / "gateway.log").open("wb"))
        for command in ([sys.executable, "-c", _UPSTREAM, str(server_port)], gateway):
            process = subprocess.Popen(
                ["env", path, *command], cwd=directory, stdout=log, stderr=log
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield _serving(Site(process, target))


def _configuration(
    directory: Path, server_port: int, https_port: int, connections: int, mutual: bool
) -> dict[str, object]:
    authority = str(directory / "ca.pem")
    mtls = {"Enabled": mutual, "CACertificate": authority, "MenderToken": "a.b.c"}
    return {
        "Features": {"mTLS": mtls},
        "HTTPS": {
            "Enabled": True,
            "Listen": f"{LOOPBACK}:{https_port}",
            "ServerCertificate": str(directory / "gateway" / "certificate.pem"),
            "ServerKey": str(directory / "gateway" / "key.pem"),
        },
        "UpstreamServer": {"URL": f"http://{LOOPBACK}:{server_port}"},
        "Limits": {
            "MaxConnections": connections,
            "MaxConnectionsPerAddress": 0,
            "HeaderTimeout": f"{HEADER_TIMEOUT:g}s",
            # They stay for as long as it takes to gather them all.
            "IdleTimeout": "1h",
        },
    }


def _serving(site: Site) -> Site:
    deadline = time.monotonic() + 30
    while True:
        try:
            Poller(site.target).poll()
            return site
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _shown(name: str, seconds: Sequence[float]) -> str:
    times = [1000 * each for each in seconds]
    cuts = quantiles(times, n=_PERCENT, method="inclusive")
    return f"{name} p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms ({len(times)})"


@attrs.define
class Measurement:
    """
    All of it, step by step.

    :ivar broken: the limits that were broken, a line each.
    """

    site: Site
    crowd: Crowd
    poller: Poller
    broken: list[str] = attrs.field(factory=list)
    _usual: tuple[list[float], list[float]] = ([], [])

    def alone(self) -> None:
        """Nobody else is there."""
        self.poller.poll_for(_EACH)
        self._usual = self.poller.take()
        self._show("alone", self._usual)

    def beside_idle(self, connections: int) -> None:
        """Very many are connected."""
        began = time.monotonic()
        self.crowd.tell("gather", connections)
        self.crowd.wait(lambda: time.sleep(0.1))
        print(f"{connections} connections, made within {time.monotonic() - began:.0f} s")
        self.poller.poll_for(_EACH)
        self._compare("beside the idle ones")
        if self.site.memory()["VmRSS"] > MOST_MEMORY:
            self.broken.append(f"more than {MOST_MEMORY} MiB of memory")

    def beside_drippers(self, drippers: int) -> None:
        """Some send a byte a second besides."""
        self.crowd.tell("drip", drippers, 120.0)
        cut = self.crowd.wait(self.poller.poll)
        self._compare("beside the drippers")
        lasted = sorted(each for each in cut if each is not None)
        if lasted:
            print(f"{len(lasted)} drippers cut after {lasted[0]:.1f} to {lasted[-1]:.1f} s")
        late = [each for each in cut if each is None or each > HEADER_TIMEOUT + PATIENCE]
        if late:
            self.broken.append(f"{len(late)} of {drippers} drippers were not cut in time")

    def are_still_served(self) -> None:
        """Those that are idle can still ask."""
        self.crowd.tell("ask_again", _ASKED_AGAIN)
        failed = self.crowd.wait(lambda: time.sleep(0.1))
        if failed:
            self.broken.append(f"{failed} idle connections were lost")

    def _compare(self, when: str) -> None:
        times = self.poller.take()
        self._show(when, times)
        for name, usual, now in zip(("kept", "new"), self._usual, times, strict=True):
            middle, before = sorted(now)[len(now) // 2], sorted(usual)[len(usual) // 2]
            if middle > WORSE_AT_MOST * before:
                self.broken.append(
                    f"{when}: {name} connections take {middle / before:.1f} times as long"
                )

    def _show(self, when: str, times: tuple[list[float], list[float]]) -> None:
        memory = ", ".join(f"{name} {size} MiB" for name, size in self.site.memory().items())
        print(f"{when}: {_shown('kept', times[0])}; {_shown('new', times[1])}; {memory}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what was measured; the exit status is 1 if a limit is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak.idle", description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000, help="idle (%(default)s)")
    parser.add_argument("--drippers", type=int, default=1000, help="(%(default)s)")
    parser.add_argument("--mutual", action="store_true", help="with client certificates")
    options = parser.parse_args(arguments)
    every = options.connections + options.drippers
    raise_file_limit(every)
    with (
        tempfile.TemporaryDirectory(prefix="idle-") as name,
        site(Path(name), 2 * every, mutual=options.mutual) as running,
    ):
        crowd = Crowd(running.target)
        measurement = Measurement(running, crowd, Poller(running.target))
        measurement.alone()
        measurement.beside_idle(options.connections)
        measurement.beside_drippers(options.drippers)
        measurement.are_still_served()
        crowd.leave()
    for line in measurement.broken:
        print(f"BROKEN {line}")
    print("all is not well" if measurement.broken else "all is well")
    return 1 if measurement.broken else 0


if __name__ == "__main__":
    sys.exit(main())
