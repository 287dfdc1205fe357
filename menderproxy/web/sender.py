"""A range of a cached artifact to a device, as fast as both the file and the device allow."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from menderproxy.cache.errors import CacheUnusable
from menderproxy.cache.reader import Reader
from menderproxy.web.outflow import Outflow
from menderproxy.web.request import GatewayRequest

PIECE = 64 * 1024
"""Bytes handed to a connection at once, where it takes bytes only; its buffer is full then."""

TURN = 512 * 1024
"""Bytes for one such connection before the others have a turn."""

AHEAD = 1024 * 1024
"""Bytes that are read from the disk at once, when memory does not have them."""


class Sender(Outflow):
    """
    Sends what a reader gives, and waits with it while the file grows.

    To a connection that takes spans of files (see :class:`menderproxy.wire.span.SpanWriter`) it
    shows the file, and is out of the way; the others get copies.

    When the cache's disk fails, the answer is left open where the reader stands.
    """

    def __init__(self, request: GatewayRequest, reader: Reader, stall: float):
        super().__init__(request, stall)
        self._reader = reader
        self._held_back = False
        self._waiting: Deferred[None] | None = None
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

    # As a span

    @property
    def fd(self) -> int:
        """The artifact's file."""
        return self._reader.fd

    @property
    def position(self) -> int:
        """Offset of the next byte to go out."""
        return self._reader.position

    def ready(self, most: int) -> int:
        """Tell the connection what it can send."""
        return self._reader.ready(most)

    def read_into(self, buffer: memoryview) -> int:
        """Give the connection what it has to encrypt."""
        return self._reader.read_into(buffer)

    def sent(self, count: int) -> None:
        """So many bytes went out."""
        self._reader.advance(count)
        self.request.sentLength += count
        self.progress()

    def failed(self, error: OSError) -> None:
        """The file can't be read: somebody else may go on."""
        self.hand_over(error)

    def _send(self) -> None:
        turn = TURN
        while self._may_send():
            piece = min(PIECE, self._reader.available)
            if not self._reader.remaining:
                self.finished()
            elif not piece:
                self._wait_for(self._reader.grown())
            elif self._reader.ready(piece) < piece:
                self._wait_for(self._reader.warm(AHEAD))
            elif self.request.write_span(self):
                # The connection says when it has no more use for it.
                self._held_back = True
            elif turn <= 0:
                self._next_turn = self.request.site.reactor.callLater(0, self._take_turn)
            else:
                turn -= self._copy(piece)

    def _copy(self, size: int) -> int:
        data = bytearray(size)
        try:
            count = self._reader.read_into(memoryview(data))
        except OSError as error:
            self.hand_over(error)
            return size
        self._reader.advance(count)
        self.request.write(bytes(data[:count]))
        return size

    def _may_send(self) -> bool:
        idle = self._waiting is None and self._next_turn is None
        return idle and not self._held_back and not self.over

    def _take_turn(self) -> None:
        self._next_turn = None
        self._send()

    def _wait_for(self, deferred: Deferred[None]) -> None:
        self._waiting = deferred
        deferred.addCallback(self._go_on).addErrback(self._failed)

    def _go_on(self, _: None) -> None:
        self._waiting = None
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
