"""
A cache of ever more artifacts: time to start, memory, and what it takes to find and to evict one.

Each number of artifacts gets a process of its own, on sparse files with true sidecars. Evicting
means choosing what goes for one more artifact, with the limit reached.

Run with ``python -m bench.growth_cache --entries 10 100 1000 10000``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import attrs
from twisted.internet.task import Clock

from menderproxy.cache.artifacts import ArtifactCache
from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.eviction import choose
from menderproxy.cache.meta import ArtifactMeta
from menderproxy.cache.surroundings import StoreReply
from menderproxy.cache.threads import DiskThreads
from menderproxy.wire.store_url import StoreURL

LENGTH = 256 << 20
LOOKUPS = 100_000
EVICTIONS = 20


@attrs.frozen
class Figures:
    """
    What one process measured.

    :ivar start: seconds until it knew what it has, once the system had the files in memory.
    :ivar resident: MiB.
    :ivar lookup: seconds to find out whether an artifact is here.
    :ivar eviction: seconds to choose one that goes.
    """

    start: float
    resident: float
    lookup: float
    eviction: float


def link(number: int) -> StoreURL:
    """A presigned link to one of many artifacts."""
    path = f"6512f0c3a1b2c3d4e5f60718/0b6a{number:08x}-93c8-4bd1-b35a-1f0e6a3d7c55"
    return StoreURL.parse(f"https://artifacts.s3.eu-west-1.amazonaws.com/{path}?X-Amz-Signature=5f")


def make(directory: CacheDirectory, number: int) -> None:
    """Put an artifact into the directory."""
    url = link(number)
    meta = ArtifactMeta(
        key=url.cache_key,
        source=url.redacted,
        name=f"release-{number}",
        length=LENGTH,
        etag=f'"{hashlib.sha256(b"%d" % number).hexdigest()[:32]}-32"',
        last_modified="Mon, 02 Nov 2026 10:11:12 GMT",
        content_type="application/vnd.mender-artifact",
        sha256=hashlib.sha256(b"%d" % number).hexdigest(),
        stored_at=1_790_000_000.0 + number,
        verified="good",
    )
    path = directory.object_path(meta.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, LENGTH)
    os.utime(path, (meta.stored_at, meta.stored_at))
    path.with_suffix(".json").write_bytes(meta.to_json())


def timed(work: Callable[[int], object], times: int) -> float:
    """Seconds of CPU for each time, of the best of three rounds."""
    rounds = []
    for _ in range(3):
        began = time.process_time()
        for number in range(times):
            work(number)
        rounds.append(time.process_time() - began)
    return min(rounds) / times


def resident_mib() -> float:
    """What this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def no_store(url: StoreURL, range_header: bytes | None) -> StoreReply:
    """Nothing is fetched here."""
    raise ConnectionError("no store")


def measure(path: Path, count: int) -> Figures:
    """Start on the directory, and look around."""
    clock = Clock()
    cache = ArtifactCache(clock, CacheDirectory(path), DiskThreads(clock), no_store)
    began = time.monotonic()
    cache.startService()
    start, resident = time.monotonic() - began, resident_mib()
    links = [link(random.randrange(2 * count)) for _ in range(1000)]
    limit = cache.size

    def evict(_: int) -> None:
        assert choose(cache.index.candidates(), cache.size + LENGTH - limit)

    return Figures(
        start,
        resident,
        timed(lambda number: cache.holds(links[number % len(links)]), LOOKUPS),
        timed(evict, EVICTIONS),
    )


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    parser.add_argument("--directory", help="where the files go meanwhile")
    arguments = parser.parse_args()
    print("entries   start s   RSS MiB   us a lookup   us an eviction")
    context = get_context("spawn")
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        path, made = Path(name), 0
        for count in sorted(arguments.entries):
            for number in range(made, count):
                make(CacheDirectory(path), number)
            made = count
            with ProcessPoolExecutor(1, mp_context=context) as process:
                seen = process.submit(measure, path, count).result()
            print(
                f"{count:7}{seen.start:10.3f}{seen.resident:10.1f}"
                f"{seen.lookup * 1e6:14.2f}{seen.eviction * 1e6:17.1f}"
            )


if __name__ == "__main__":
    main()
