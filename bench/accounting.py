"""What the processes in a namespace use, from the kernel's own accounts."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from bench.network import Namespace

_MIB = 1 << 20
_ANONYMOUS = re.compile(r"^Pss_Anon:\s+(\d+) kB", re.MULTILINE)
_RESIDENT = re.compile(r"^Rss:\s+(\d+) kB", re.MULTILINE)
# Received and not read, allocated ahead, sent and not acknowledged: r, f and w of ss(8).
_SOCKET_MEMORY = re.compile(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),")
_SAMPLE = 0.5


def cpu_seconds(place: Namespace) -> float:
    """
    Add up the user and system time of all processes.

    Read from each process's CPU clock, which counts nanoseconds and its threads that have ended,
    where ``/proc/PID/stat`` counts hundredths of a second.
    """
    total = 0.0
    for process in place.processes():
        with suppress(OSError):
            # What clock_getcpuclockid(3) gives: the process's id, negated, and "scheduler's time".
            total += time.clock_gettime((~process << 3) | 2)
    return total


def anonymous_mib(place: Namespace) -> float:
    """Add up the memory of all processes that is no file's, what they share counted once."""
    return _memory_mib(place, _ANONYMOUS)


def rss_mib(place: Namespace) -> float:
    """Add up the resident memory of all processes, as ps(1) shows it."""
    return _memory_mib(place, _RESIDENT)


def _memory_mib(place: Namespace, line: re.Pattern[str]) -> float:
    total = 0
    for process in place.processes():
        with suppress(OSError):
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text("ascii")
            total += sum(int(size) for size in line.findall(rollup))
    return total / 1024


def tcp_mib(place: Namespace) -> float:
    """
    Add up what the kernel keeps for the TCP sockets in a namespace.

    ``mem`` in ``/proc/net/sockstat`` would be that of the whole machine, in any namespace: the
    devices' buffers, too.
    """
    sizes = _SOCKET_MEMORY.findall(place.sockets("--memory"))
    return sum(sum(map(int, of_one)) for of_one in sizes) / _MIB


@attrs.define
class Account:
    """
    What was used while something went on.

    :ivar cpu: seconds.
    :ivar anonymous: the most at any moment, in MiB.
    :ivar tcp: likewise.
    """

    cpu: float = 0.0
    anonymous: float = 0.0
    tcp: float = 0.0

    def sample(self, place: Namespace) -> None:
        """Look at the memory now."""
        self.anonymous = max(self.anonymous, anonymous_mib(place))
        self.tcp = max(self.tcp, tcp_mib(place))


@contextmanager
def accounted(place: Namespace) -> Iterator[Account]:
    """Take account of what a namespace uses until the end of the context."""
    account, over = Account(), threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE):
            account.sample(place)

    watcher = threading.Thread(target=watch)
    before = cpu_seconds(place)
    watcher.start()
    try:
        yield account
    finally:
        account.cpu = cpu_seconds(place) - before
        over.set()
        watcher.join()
        account.sample(place)
