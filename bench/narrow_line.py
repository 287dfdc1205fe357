"""
The device API while two artifacts come in over a line of 1 Mbit/s, without a limit and with one.

The second artifact is asked for a few seconds after the first. The line's queue holds a few seconds
of traffic, as that of a cheap router does. Run as root, with ``python -m bench.narrow_line``;
``--rates`` are the values of ``MaxUplinkRate`` to compare.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.network import GATEWAY_ADDRESS, ORIGIN_ADDRESS, Namespace, Network, network
from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.store_url import StoreURL

SECRET = b"a secret for benchmarks only"
GATEWAY = f"http://{GATEWAY_ADDRESS}:8080"
LINE_RATE = 125_000
ARTIFACTS = [f"https://{ORIGIN_ADDRESS}:8443/artifact/{name}" for name in ("first", "second")]
POLL = "/api/devices/v1/deployments/device/deployments/next"

_ORIGIN = """
import ssl, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
address, certificate, key, length = sys.argv[1:]
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        is_artifact = self.path.startswith("/artifact")
        self.send_response(200 if is_artifact else 204)
        if is_artifact:
            self.send_header("Content-Length", length)
        self.end_headers()
        if is_artifact:
            self.wfile.write(bytes(int(length)))
    def log_message(self, *about):
        pass
server = ThreadingHTTPServer((address, 8443), Handler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(certificate, key)
server.socket = tls.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
"""

_DEVICES = """
import http.client, json, sys, threading, time
from urllib.parse import urlsplit
gateway, poll, *links = sys.argv[1:]
def connection():
    return http.client.HTTPConnection(urlsplit(gateway).netloc, timeout=900)
def download(link):
    target = urlsplit(link)
    line = connection()
    line.request("GET", target.path + "?" + target.query)
    answer = line.getresponse()
    while answer.read(1 << 14):
        pass
    done.append(time.monotonic() - began)
took, done, began = [], [], time.monotonic()
devices = [threading.Thread(target=download, args=[link]) for link in links]
line = connection()
while time.monotonic() - began < 10 or any(device.is_alive() for device in devices):
    for number, device in enumerate(devices):
        if device.ident is None and time.monotonic() - began > 3 * number:
            device.start()
    asked = time.monotonic()
    line.request("GET", poll)
    line.getresponse().read()
    took.append(time.monotonic() - asked)
    time.sleep(0.25)
print(json.dumps([took, done]))
"""


def shape(place: Namespace) -> None:
    """Let a place send no more than the line carries."""
    shape = ["rate", "1mbit", "burst", "5kb", "latency", "5s"]
    command = ["tc", "-n", place.name, "qdisc", "add", "dev", "uplink", "root", "tbf", *shape]
    subprocess.run(command, check=True)


@contextmanager
def origin(net: Network, directory: Path, length: int) -> Iterator[None]:
    """Run what is a Mender Server, and a store that sends as fast as it can."""
    authority = ThrowAwayAuthority.create()
    certificate, key = authority.issue(ORIGIN_ADDRESS).write(directory)
    (directory / "ca.pem").write_bytes(authority.certificate_pem)
    arguments = [ORIGIN_ADDRESS, str(certificate), str(key), str(length)]
    command = net.origin.command(net.other_cpus, [sys.executable, "-c", _ORIGIN, *arguments])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()
            yield
        finally:
            process.terminate()


@contextmanager
def gateway(net: Network, directory: Path, rate: int) -> Iterator[None]:
    """
    Run a gateway with an empty cache.

    :param rate: its ``MaxUplinkRate``.
    """
    cache = {
        "Enabled": True,
        "SignatureSecret": b64encode(SECRET).decode(),
        "MaxUplinkRate": rate,
    }
    proxy = {"Enabled": True, "GatewayURL": GATEWAY, "DomainWhitelist": [ORIGIN_ADDRESS]}
    document = {
        "Features": {"ArtifactsProxy": proxy | {"ArtifactsCache": cache}},
        "HTTP": {"Enabled": True, "Listen": GATEWAY.removeprefix("http://")},
        "UpstreamServer": {
            "URL": f"https://{ORIGIN_ADDRESS}:8443",
            "CACertificate": str(directory / "ca.pem"),
        },
    }
    with tempfile.TemporaryDirectory(dir=directory) as place:
        cache["Path"] = f"{place}/cache"
        config = Path(place, "gateway.conf")
        config.write_text(json.dumps(document))
        program = [str(Path(sys.executable).with_name("mender-gateway")), "--config", str(config)]
        command = net.gateway.command(net.server_cpus, program)
        with (
            Path(place, "log").open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as process,
        ):
            try:
                while ":8080 " not in net.gateway.sockets("--listening"):
                    if process.poll() is not None:
                        raise RuntimeError(Path(place, "log").read_text())
                    time.sleep(0.05)
                yield
            finally:
                process.terminate()


def measure(net: Network, links: Sequence[str]) -> str:
    """Let devices poll, and download from some links."""
    signer = LinkSigner(GATEWAY, SECRET, 86400.0)
    signed = [signer.sign(StoreURL.parse(link), "bench", time.time()) for link in links]
    command = [sys.executable, "-c", _DEVICES, GATEWAY, POLL, *signed]
    result = subprocess.run(
        net.devices.command(net.other_cpus, command), check=True, capture_output=True
    )
    took, done = json.loads(result.stdout)
    took.sort()
    shown = [f"p{part} {took[int(len(took) * part / 100)] * 1000:4.0f}" for part in (50, 90, 99)]
    ends = ", ".join(f"{seconds:.0f} s" for seconds in done)
    return f"{len(took):4} polls, ms: {'  '.join(shown)}   artifacts done after: {ends or '-'}"


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=3, help="MiB of each artifact")
    parser.add_argument("--rates", type=int, nargs="+", default=[0, LINE_RATE * 8 // 10])
    arguments = parser.parse_args()
    length = int(arguments.size * (1 << 20))
    with (
        tempfile.TemporaryDirectory() as name,
        network() as net,
        origin(net, Path(name), length),
    ):
        shape(net.origin)
        shape(net.gateway)
        for rate in arguments.rates:
            with gateway(net, Path(name), rate):
                if rate == arguments.rates[0]:
                    print(f"{'idle':22}", measure(net, ()), flush=True)
                print(f"MaxUplinkRate {rate:7} ", measure(net, ARTIFACTS), flush=True)


if __name__ == "__main__":
    main()
