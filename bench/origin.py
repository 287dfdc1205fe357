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
TLS_PORT = 443
PLAIN_PORT = 80
ARTIFACT = "/artifact"
POLL = "/api/devices/v1/deployments/device/deployments/next"
"""What devices ask most: whether there is a deployment; the answer is 204."""

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
class Origin:
    """
    The running origin.

    :param artifact: the file that it serves as :data:`ARTIFACT`.
    :param log: one line a request: method, status, bytes sent, path.
    """

    artifact: Path
    log: Path

    @property
    def length(self) -> int:
        """The artifact's."""
        return self.artifact.stat().st_size

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
    artifact = content / ARTIFACT.strip("/")
    with artifact.open("wb") as file:
        for _ in range(length >> 20):
            file.write(os.urandom(1 << 20))
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
        yield Origin(artifact, log)
    finally:
        process.terminate()
        process.wait(10)
