"""The cache's own few threads: neither the reactor nor a name look-up ever waits for a disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")


class Threads(Protocol):
    """Runs blocking work elsewhere."""

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do *work*; the Deferred fires in the reactor's thread. There is no order."""


class DiskThreads(Service):
    """
    A thread pool that starts and stops with the cache.

    :param size: threads at most. Few: they wait for one disk.
    """

    def __init__(self, reactor: Any, size: int = 4):
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=size, name="artifact-cache")

    def startService(self) -> None:
        """Start the pool (its threads start when there is work)."""
        super().startService()  # type: ignore[no-untyped-call]
        self._pool.start()

    def stopService(self) -> None:
        """Finish the work in hand, and stop."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._pool.stop()

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do *work* in one of the threads."""
        return deferToThreadPool(self._reactor, self._pool, work, *args, **kwargs)
