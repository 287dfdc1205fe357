"""A store and a gateway as processes of their own, for a benchmark to measure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import attrs

from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.demo.network import free_port
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.store_url import StoreURL

SECRET = b"a secret for benchmarks only"
HOST = "127.0.0.1"

_STORE = """
import sys
from twisted.internet import reactor, ssl
from twisted.web.server import Site
from menderproxy.demo.artifact_store import DemoArtifactStore
port, certificate, key, length, rate = sys.argv[1:]
store = DemoArtifactStore(reactor, rate=float(rate) if float(rate) else None)
store.put("bench/artifact", int(length))
print(store.presign(f"https://127.0.0.1:{port}", "bench/artifact", 86400), flush=True)
tls = ssl.DefaultOpenSSLContextFactory(key, certificate)
reactor.listenSSL(int(port), Site(store), tls, interface="127.0.0.1")
reactor.addSystemEventTrigger(
    "before", "shutdown", lambda: print(store.bytes_sent, len(store.requests), flush=True)
)
reactor.run()
"""

_SERVER = """
import sys
from twisted.internet import reactor, ssl
from twisted.web.resource import Resource
from twisted.web.server import Site
class Nothing(Resource):
    isLeaf = True
    def render(self, request):
        request.setResponseCode(204)
        return b""
port, certificate, key = sys.argv[1:]
tls = ssl.DefaultOpenSSLContextFactory(key, certificate)
reactor.listenSSL(int(port), Site(Nothing()), tls, interface="127.0.0.1")
reactor.run()
"""


@attrs.frozen
class BenchSite:
    """
    What a benchmark needs to know of the running processes.

    :param link: local link to the artifact.
    :param store_link: the presigned one to the store itself.
    """

    gateway: subprocess.Popen[bytes]
    origin: subprocess.Popen[bytes]
    ca_path: Path
    https_port: int
    http_port: int
    link: str
    store_link: str
    cache: Path

    def peak_rss(self) -> float:
        """The gateway's peak resident memory in MiB, from the kernel's own account."""
        status = Path(f"/proc/{self.gateway.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """User and system time the gateway has used."""
        fields = Path(f"/proc/{self.gateway.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop_origin(self) -> tuple[int, int]:
        """End the store; gives the bytes it sent and the requests it got."""
        self.origin.send_signal(signal.SIGTERM)
        assert self.origin.stdout is not None
        sent, requests = self.origin.stdout.read().split()[-2:]
        return int(sent), int(requests)


@contextmanager
def running(
    directory: Path, length: int, rate: float, cache: Path | None = None
) -> Iterator[BenchSite]:
    """
    Start a store with one artifact, and a gateway with an empty cache.

    :param length: bytes of the artifact.
    :param rate: bytes a second of the uplink, 0 for no limit.
    :param cache: the cache's directory, if it is to be on another disk.
    """
    authority = ThrowAwayAuthority.create()
    certificate, key = authority.issue(HOST).write(directory)
    ca_path = directory / "ca.pem"
    ca_path.write_bytes(authority.certificate_pem)
    store_port, server_port, https_port, http_port = (free_port(0) for _ in range(4))
    credentials = [str(certificate), str(key)]
    origin = subprocess.Popen(
        [sys.executable, "-c", _STORE, str(store_port), *credentials, str(length), str(rate)],
        stdout=subprocess.PIPE,
    )
    server = subprocess.Popen([sys.executable, "-c", _SERVER, str(server_port), *credentials])
    assert origin.stdout is not None
    store_link = StoreURL.parse(origin.stdout.readline().decode().strip())
    url = f"https://{HOST}:{https_port}"
    config = directory / "gateway.conf"
    cache = directory / "cache" if cache is None else cache
    document = _configuration(directory, cache, url, http_port, server_port, certificate, key)
    config.write_text(json.dumps(document))
    log = (directory / "gateway.log").open("wb")
    twistd = Path(sys.executable).with_name("twistd")
    command = [str(twistd), "--nodaemon", "--pidfile=", "mender-gateway", "--config", str(config)]
    gateway = subprocess.Popen(command, stderr=log, stdout=log, cwd=directory)
    try:
        _wait_until_alive(f"http://{HOST}:{http_port}/api/internal/v1/gateway/alive")
        link = LinkSigner(url, SECRET, 86400.0).sign(store_link, "bench", time.time())
        yield BenchSite(
            gateway, origin, ca_path, https_port, http_port, link, str(store_link), cache
        )
    finally:
        for process in (gateway, origin, server):
            process.terminate()
            process.wait(30)
        log.close()


def _configuration(
    directory: Path,
    cache_path: Path,
    url: str,
    http_port: int,
    server_port: int,
    certificate: Path,
    key: Path,
) -> dict[str, object]:
    from base64 import b64encode

    cache = {
        "Enabled": True,
        "Path": str(cache_path),
        "SignatureSecret": b64encode(SECRET).decode(),
    }
    proxy = {
        "Enabled": True,
        "GatewayURL": url,
        "DomainWhitelist": [HOST],
        "ArtifactsCache": cache,
    }
    listen = url.removeprefix("https://")
    return {
        "Features": {"ArtifactsProxy": proxy},
        "HTTP": {"Enabled": True, "Listen": f"{HOST}:{http_port}"},
        "HTTPS": {
            "Enabled": True,
            "Listen": listen,
            "ServerCertificate": str(certificate),
            "ServerKey": str(key),
        },
        "UpstreamServer": {
            "URL": f"https://{HOST}:{server_port}",
            "CACertificate": str(directory / "ca.pem"),
        },
    }


def _wait_until_alive(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            urlopen(url, timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
