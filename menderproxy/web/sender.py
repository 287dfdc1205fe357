"""A range of a cached artifact to a device, as fast as both the file and the device allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from menderproxy.cache.errors import CacheUnusable
from menderproxy.cache.reader import Reader
from menderproxy.web.outflow import Outflow
from menderproxy.web.request import GatewayRequest

T = TypeVar("T")

CHUNK = 64 * 1024
"""Bytes handed to the connection at once: its buffer counts as full from there on."""

TURN = 512 * 1024
"""Bytes for one device before the others have a turn."""


class Sender(Outflow):
    """
    Sends what a reader gives, and waits with it while the file grows.

    When the cache's disk fails, the answer is left open where the reader stands.
    """

    def __init__(self, request: GatewayRequest, reader: Reader, stall: float):
        super().__init__(request, stall)
        self._reader = reader
        self._held_back = False
        self._waiting: Deferred[object] | None = None
        self._next_turn: IDelayedCall | None = None

    def start(self) -> None:
        """Send what is here."""
        self._send()

    def hold_back(self) -> None:
        """Read no more for now."""
        self._held_back = True

    def go_on(self) -> None:
        """Send on."""
        self._held_back = False
        self._send()

    def drop(self) -> None:
        """Stop reading."""
        self._forget()

    def finished(self) -> None:
        """All bytes of the range are sent."""
        self._forget()
        super().finished()

    def _send(self) -> None:
        turn = TURN
        while self._may_send():
            if not self._reader.remaining:
                self.finished()
            elif not self._reader.available:
                self._wait_for(self._reader.grown(), self._has_grown)
            elif turn <= 0:
                self._next_turn = self.request.site.reactor.callLater(0, self._take_turn)
            else:
                data = self._reader.read(CHUNK)
                if data is None:
                    self._wait_for(self._reader.read_slowly(CHUNK), self._was_read)
                else:
                    turn -= len(data)
                    self.request.write(data)

    def _may_send(self) -> bool:
        idle = self._waiting is None and self._next_turn is None
        return idle and not self._held_back and not self.over

    def _take_turn(self) -> None:
        self._next_turn = None
        self._send()

    def _wait_for(self, deferred: Deferred[T], then: Callable[[T], None]) -> None:
        self._waiting = cast("Deferred[object]", deferred)

        def arrived(result: T) -> None:
            self._waiting = None
            if not self.over:
                then(result)

        deferred.addCallback(arrived).addErrback(self._failed)

    def _has_grown(self, _: None) -> None:
        self._send()

    def _was_read(self, data: bytes) -> None:
        # A write that was asked for before the device fell behind may still go out.
        self.request.write(data)
        self._send()

    def _failed(self, failure: Failure) -> None:
        self._waiting = None
        if failure.check(CacheUnusable, OSError):
            # The disk's trouble, which need not become the device's.
            self.hand_over(cast(Exception, failure.value))
        elif not failure.check(CancelledError):
            self.give_up(cast(Exception, failure.value))

    def _forget(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        self._reader.close()
