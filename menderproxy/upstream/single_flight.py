"""Work that several ask for at the same time is done once, for all of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """
    Lets one piece of work run for each key.

    The work belongs to nobody in particular: it goes on when those who wait for it go away.
    """

    def __init__(self) -> None:
        self._waiting: dict[K, list[Deferred[T]]] = {}

    async def run(self, key: K, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Wait for the work under this key, and start it unless it runs.

        :raises Exception: whatever the work fails with, for everybody who waits.
        """
        waiter: Deferred[T] = Deferred()
        if key in self._waiting:
            self._waiting[key].append(waiter)
        else:
            self._waiting[key] = [waiter]
            Deferred.fromCoroutine(work()).addBoth(self._landed, key)
        return await waiter

    def _landed(self, result: T | Failure, key: K) -> None:
        for waiter in self._waiting.pop(key):
            # One that was cancelled has its result already, and ignores this one.
            waiter.callback(result)
