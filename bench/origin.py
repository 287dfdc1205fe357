"""The origin: Mender Server and store in one nginx, which counts what goes over the uplink."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from bench.network import ORIGIN_ADDRESS, Network

ORIGIN_NAME = "origin.test"
ARTIFACT = "/artifact"
"""Also what the paths of all other artifacts begin with."""
POLL = "/api/devices/v1/deployments/device/deployments/next"
"""What devices ask most: whether there is a deployment; the answer is 204."""

_MIB = 1 << 20
_CONFIGURATION = """\
daemon off;
user root;
pid {directory}/origin.pid;
error_log {directory}/origin.error;
worker_processes 1;
events {{ worker_connections 8192; }}
http {{
  log_format uplink "$request_method $status $body_bytes_sent $uri";
  access_log {directory}/origin.log uplink;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  server {{
    listen {address}:80 backlog=4096;
    listen {address}:443 ssl backlog=4096;
    ssl_certificate {certificates}/origin/certificate.pem;
    ssl_certificate_key {certificates}/origin/key.pem;
    ssl_session_cache shared:origin:4m;
    root {directory}/content;
    location /api/ {{ return 204; }}
    location / {{ etag on; }}
  }}
}}
"""


@attrs.frozen
class Artifact:
    """
    What devices download.

    :param target: its path at the origin.
    :param file: its bytes.
    """

    target: str
    file: Path


@attrs.frozen
class Origin:
    """
    The running origin.

    :param content: directory of what it serves.
    :param log: one line a request: method, status, bytes sent, path.
    """

    content: Path
    log: Path

    @property
    def artifact(self) -> Artifact:
        """The one of most scenarios: random bytes."""
        return Artifact(ARTIFACT, self.content / ARTIFACT.strip("/"))

    def sized(self, mebibytes: int) -> Artifact:
        """
        Give an artifact of any length, which takes hardly any disk.

        It begins and ends with random bytes, and has a hole between.
        """
        artifact = Artifact(f"{ARTIFACT}-{mebibytes}", self.content / f"artifact-{mebibytes}")
        if not artifact.file.exists():
            with artifact.file.open("wb") as file:
                for start in (0, mebibytes - 1):
                    file.seek(start * _MIB)
                    file.write(os.urandom(_MIB))
        return artifact

    def forget(self) -> None:
        """Count from zero again."""
        os.truncate(self.log, 0)

    def uplink(self) -> tuple[int, int]:
        """Give how many requests for the artifact there were, and the bytes sent for them."""
        lines = [line.split() for line in self.log.read_text("ascii").splitlines()]
        sizes = [int(size) for _, _, size, path in lines if path == ARTIFACT]
        return len(sizes), sum(sizes)


@contextmanager
def origin(network: Network, directory: Path, length: int) -> Iterator[Origin]:
    """
    Run the origin with an artifact of random bytes.

    :param directory: for its files; the certificates are in there already.
    :param length: the artifact's, in bytes.
    """
    content = directory / "content"
    content.mkdir()
    with (content / ARTIFACT.strip("/")).open("wb") as file:
        for _ in range(length // _MIB):
            file.write(os.urandom(_MIB))
    configuration = directory / "origin.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            directory=directory, certificates=directory / "certificates", address=ORIGIN_ADDRESS
        )
    )
    command = ["nginx", "-c", str(configuration), "-e", str(directory / "origin.error")]
    process = subprocess.Popen(network.origin.command(network.other_cpus, command))
    try:
        log = directory / "origin.log"
        while not log.exists():
            if process.poll() is not None:
                raise RuntimeError((directory / "origin.error").read_text()[-500:])
            time.sleep(0.02)
        yield Origin(content, log)
    finally:
        process.terminate()
        process.wait(10)
