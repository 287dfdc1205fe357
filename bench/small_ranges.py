"""
Thousands of small ranges on one connection, as a microcontroller client asks for them.

Run with ``python -m bench.small_ranges --count 4000``.
"""

from __future__ import annotations

import argparse
import http.client
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.site import HOST, BenchSite, running

PIECE = 2048


def fetch(site: BenchSite, count: int) -> list[float]:
    """Ask for one piece after the other; gives how long each took."""
    link = urlsplit(site.link)
    connection = http.client.HTTPConnection(HOST, site.http_port, timeout=60)
    took = []
    for number in range(count):
        first = number * PIECE
        wanted = {"Range": f"bytes={first}-{first + PIECE - 1}"}
        began = time.monotonic()
        connection.request("GET", f"{link.path}?{link.query}", headers=wanted)
        answer = connection.getresponse()
        assert answer.status == 206 and len(answer.read()) == PIECE
        took.append(time.monotonic() - began)
    connection.close()
    return sorted(took)


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4000)
    arguments = parser.parse_args()
    length = arguments.count * PIECE
    with tempfile.TemporaryDirectory() as name, running(Path(name), length, 0) as site:
        for label in ("while it comes in", "from the cache"):
            cpu = site.cpu_seconds()
            took = fetch(site, arguments.count)
            cpu = (site.cpu_seconds() - cpu) / arguments.count
            median, worst = took[len(took) // 2], took[int(len(took) * 0.99)]
            print(
                f"{label:17} {arguments.count} ranges, CPU {cpu * 1000:.2f} ms each,"
                f" p50 {median * 1000:.2f} ms, p99 {worst * 1000:.2f} ms"
            )
        sent, requests = site.stop_origin()
        print(f"upstream bytes / size  {sent / length:.4f} in {requests} request(s)")


if __name__ == "__main__":
    main()
