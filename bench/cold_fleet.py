"""
Many devices at once, cold cache: upstream bytes, checksums, memory, and what a slow device does.

Run with ``python -m bench.cold_fleet --devices 50 --size 256 --rate 200``.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import ssl
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from bench.site import BenchSite, running


@attrs.define
class Device:
    """One downloading thread, and what it saw."""

    site: BenchSite
    link: str = ""
    rate: float = 0.0
    first_byte: float = 0.0
    seconds: float = 0.0
    received: int = 0
    digest: str = ""

    def download(self, stop: threading.Event) -> None:
        """Download the artifact, at most *rate* bytes a second."""
        link = urlsplit(self.link or self.site.link)
        context = ssl.create_default_context(cafile=str(self.site.ca_path))
        connection = http.client.HTTPSConnection(link.netloc, context=context, timeout=300)
        began = time.monotonic()
        connection.request("GET", f"{link.path}?{link.query}")
        response = connection.getresponse()
        assert response.status == 200, response.status
        digest = hashlib.sha256()
        buffer = bytearray(1 << 16)
        while not stop.is_set():
            view = memoryview(buffer)[: 4096 if self.rate else len(buffer)]
            count = response.readinto(view)
            if not count:
                break
            self.first_byte = self.first_byte or time.monotonic() - began
            digest.update(view[:count])
            self.received += count
            if self.rate:
                time.sleep(count / self.rate)
        self.seconds = time.monotonic() - began
        self.digest = digest.hexdigest()
        connection.close()


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--size", type=float, default=256, help="MiB")
    parser.add_argument("--rate", type=float, default=200, help="uplink in Mbit/s, 0: no limit")
    parser.add_argument("--slow", type=float, default=20, help="KiB/s of one more device, 0: none")
    arguments = parser.parse_args()
    length = int(arguments.size * (1 << 20))
    with (
        tempfile.TemporaryDirectory() as name,
        running(Path(name), length, arguments.rate * 125_000) as site,
    ):
        measure(site, length, arguments.devices, arguments.slow * 1024)


def measure(site: BenchSite, length: int, count: int, slow_rate: float) -> None:
    """Run the devices."""
    devices = [Device(site) for _ in range(count)]
    slow = [Device(site, rate=slow_rate)] if slow_rate else []
    stop, never = threading.Event(), threading.Event()
    threads = [threading.Thread(target=one.download, args=(never,)) for one in devices]
    others = [threading.Thread(target=one.download, args=(stop,)) for one in slow]
    began, cpu = time.monotonic(), site.cpu_seconds()
    for thread in others + threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, cpu = time.monotonic() - began, site.cpu_seconds() - cpu
    stop.set()
    for thread in others:
        thread.join()
    peak = site.peak_rss()
    sent, requests = site.stop_origin()
    firsts = sorted(one.first_byte for one in devices)
    print(f"devices                {count}" + (f" and one at {slow_rate:.0f} B/s" if slow else ""))
    print(f"upstream bytes / size  {sent / length:.4f} in {requests} request(s)")
    print(f"checksums              {len({one.digest for one in devices})} different")
    print(f"complete               {sum(one.received == length for one in devices)} of {count}")
    print(f"first byte p50/max     {firsts[count // 2]:.3f} / {firsts[-1]:.3f} s")
    print(f"last device done       {max(one.seconds for one in devices):.2f} s (all: {took:.2f})")
    print(f"gateway CPU            {cpu:.2f} s, {cpu / (count * length / (1 << 30)):.2f} s/GiB")
    print(f"gateway peak RSS       {peak:.1f} MiB")
    if slow:
        print(
            f"slow device            {slow[0].received / 1024:.0f} KiB in {slow[0].seconds:.1f} s"
        )


if __name__ == "__main__":
    main()
