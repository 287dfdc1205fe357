"""The cache's own few threads: neither the reactor nor a name look-up ever waits for a disk."""

from __future__ import annotations

import os
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


def shielded(work: Deferred[T]) -> Deferred[T]:
    """
    Wait for work that can't be stopped any more, for someone who may go away.

    :returns: fires as *work* does; cancelling it means that nobody waits, and nothing else.
        What must not happen before the thread is done belongs on *work* itself.
    """
    waiting: Deferred[T] = Deferred()
    work.chainDeferred(waiting)
    return waiting


class DiskThreads(Service):
    """
    A thread pool that starts and stops with the cache.

    :param size: threads at most. Few: they wait for one disk.
    :param nice: added to their niceness, for work that nobody waits for.
    """

    def __init__(self, reactor: Any, size: int = 4, nice: int = 0):
        self._reactor = reactor
        self._size = size
        self._nice = nice
        self._pool = self._new_pool()

    def startService(self) -> None:
        """Start the pool (its threads start when there is work)."""
        super().startService()  # type: ignore[no-untyped-call]
        self._pool.start()

    def stopService(self) -> None:
        """Finish the work in hand, and stop."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._pool.stop()
        # A pool that was stopped never works again, but this service may be started again.
        self._pool = self._new_pool()

    def _new_pool(self) -> ThreadPool:
        return ThreadPool(minthreads=0, maxthreads=self._size, name="artifact-cache")

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do *work* in one of the threads."""

        def nicely() -> T:
            # On Linux this is the calling thread's own niceness, not the process's.
            os.setpriority(os.PRIO_PROCESS, 0, self._nice)
            return work(*args, **kwargs)

        if self._nice:
            return deferToThreadPool(self._reactor, self._pool, nicely)
        return deferToThreadPool(self._reactor, self._pool, work, *args, **kwargs)
