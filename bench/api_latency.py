"""
Latency of the device API while a large artifact comes in, against the same without.

"past us" is the same download straight from the store: what the machine itself suffers from it.

Run with ``python -m bench.api_latency --size 1024``; as root, ``--slow-disk`` puts the cache on a
disk where every write waits until it is done.
"""

from __future__ import annotations

import argparse
import http.client
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from bench.site import HOST, BenchSite, running

_DOWNLOAD = """
import ssl, sys
from urllib.request import urlopen
link, ca = sys.argv[1:]
with urlopen(link, context=ssl.create_default_context(cafile=ca)) as answer:
    while answer.read(1 << 16):
        pass
"""


@contextmanager
def slow_disk(directory: Path, size: int) -> Iterator[Path]:
    """An ext4 file system, mounted so that each write goes to the disk at once."""
    image, mount = directory / "disk.img", directory / "disk"
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    mount.mkdir()
    subprocess.run(["mount", "-o", "loop,sync,dirsync", str(image), str(mount)], check=True)
    try:
        yield mount / "cache"
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)


def poll(site: BenchSite, stop: threading.Event, rate: float) -> list[float]:
    """Ask the API *rate* times a second; gives how long each answer took."""
    connection = http.client.HTTPConnection(HOST, site.http_port, timeout=60)
    took = []
    due = time.monotonic()
    while not stop.is_set():
        began = time.monotonic()
        connection.request("GET", "/api/devices/v1/deployments/device/deployments/next")
        connection.getresponse().read()
        took.append(time.monotonic() - began)
        due += 1 / rate
        stop.wait(max(0.0, due - time.monotonic()))
    connection.close()
    return took


def measure(site: BenchSite, rate: float, link: str | None) -> str:
    """Percentiles over ten seconds, or as long as a download takes."""
    stop = threading.Event()
    took: list[float] = []
    poller = threading.Thread(target=lambda: took.extend(poll(site, stop, rate)))
    poller.start()
    if link is None:
        time.sleep(10)
    else:
        # A process of its own: its work must not show in the poller's times.
        subprocess.run([sys.executable, "-c", _DOWNLOAD, link, str(site.ca_path)], check=True)
    stop.set()
    poller.join()
    took.sort()
    shown = " ".join(
        f"p{part}={took[int(len(took) * part / 100)] * 1000:.1f}" for part in (50, 90, 99)
    )
    return f"{len(took)} requests, ms: {shown} max={took[-1] * 1000:.1f}"


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=1024, help="MiB")
    parser.add_argument("--rate", type=float, default=200, help="uplink in Mbit/s, 0: no limit")
    parser.add_argument("--polls", type=float, default=50, help="API requests a second")
    parser.add_argument("--slow-disk", action="store_true")
    arguments = parser.parse_args()
    length = int(arguments.size * (1 << 20))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        disk = slow_disk(directory, length * 2) if arguments.slow_disk else nullcontext(None)
        with disk as cache, running(directory, length, arguments.rate * 125_000, cache) as site:
            for label, link in (
                ("idle", None),
                ("past us", site.store_link),
                ("filling", site.link),
                ("from cache", site.link),
                ("idle", None),
            ):
                print(f"{label:11}", measure(site, arguments.polls, link))


if __name__ == "__main__":
    main()
