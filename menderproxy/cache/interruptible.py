"""Waiting that can be cut short: by a stop for good, or by a reason to try again at once."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

T = TypeVar("T")


class Stopped(Exception):
    """The work is to be broken off."""


class Interruptible:
    """The waits of one coroutine, one at a time."""

    def __init__(self, clock: IReactorTime):
        self._clock = clock
        self._stopped = False
        self._waiting: Deferred[object] | None = None
        self._nap: Deferred[None] | None = None

    def stop(self) -> None:
        """End the wait in progress, and all later ones, with :exc:`Stopped`."""
        self._stopped = True
        if self._waiting is not None:
            self._waiting.cancel()

    def wake(self) -> None:
        """End a nap."""
        if self._nap is not None and not self._nap.called:
            self._nap.callback(None)

    async def wait_for(self, awaited: Awaitable[T]) -> T:
        """
        Wait for something, which is cancelled when we are stopped.

        :raises Stopped: we are.
        """
        waiting = Deferred.fromCoroutine(_coroutine(awaited))
        self._waiting = cast("Deferred[object]", waiting)
        if self._stopped:
            waiting.cancel()
        try:
            return await waiting
        except CancelledError:
            if self._stopped:
                raise Stopped from None
            raise
        finally:
            self._waiting = None

    async def nap(self, seconds: float) -> None:
        """
        Wait for some time, or until :meth:`wake`.

        :raises Stopped: we are.
        """
        self._nap = Deferred()
        call = self._clock.callLater(seconds, self.wake)
        try:
            await self.wait_for(self._nap)
        finally:
            self._nap = None
            if call.active():
                call.cancel()


async def _coroutine(awaited: Awaitable[T]) -> T:
    return await awaited
