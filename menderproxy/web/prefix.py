"""The beginning of a body, gathered for a look at it; the rest still flows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred

from menderproxy.wire.body import Body, BodySink


class Prefix:
    """
    Gathers a body up to a limit, and can then stand in for it.

    :param limit: bytes; a longer body is paused there, and goes on when it is delivered.
    :ivar complete: whether the whole body came within the limit.
    """

    def __init__(self, body: Body, limit: int):
        self._body = body
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._sink: BodySink | None = None
        self._end: Callable[[BodySink], None] | None = None
        self._gathered: Deferred[None] | None = None
        self._failure: Exception | None = None
        self._is_gathering = True
        self._paused = False
        self.complete = False

    async def gather(self) -> None:
        """
        Wait until the limit is passed, or the body's end.

        :raises Exception: the body broke off within the limit.
        """
        self.begin()
        if self._is_gathering:
            self._gathered = Deferred(lambda _: self._body.abort())
            await self._gathered
        elif self._failure is not None:
            raise self._failure

    def begin(self) -> None:
        """Let the body come. A short one that came together with its head is complete then."""
        self._body.deliver(self)

    @property
    def data(self) -> bytes:
        """What was gathered, until it is delivered."""
        return b"".join(self._pieces)

    @property
    def length(self) -> int | None:
        """Bytes of the whole body, if it came within the limit."""
        return self._size if self.complete else None

    # As a sink of the body

    def body_data(self, data: bytes) -> None:
        """Take bytes, or pass them on."""
        if self._sink is not None:
            self._sink.body_data(data)
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self._body.pause()
            self._have_gathered()

    def body_ended(self, *, certain: bool) -> None:
        """The whole body came."""
        self.complete = self._is_gathering
        self._ends(lambda sink: sink.body_ended(certain=certain))
        self._have_gathered()

    def body_broken(self, reason: Exception) -> None:
        """The body broke off."""
        self._ends(lambda sink: sink.body_broken(reason))
        self._have_gathered(reason)

    # As a body

    def deliver(self, sink: BodySink) -> None:
        """Give what was gathered, and then the rest as it comes."""
        while self._pieces:
            # Should more come meanwhile, it is appended: nothing overtakes.
            sink.body_data(self._pieces.popleft())
        self._sink = sink
        if self._end is not None:
            self._end(sink)
        elif not self._paused:
            self._body.resume()

    def pause(self) -> None:
        """Stop the flow for a while."""
        self._paused = True
        self._body.pause()

    def resume(self) -> None:
        """Let it flow again."""
        self._paused = False
        self._body.resume()

    def abort(self) -> None:
        """Drop the body."""
        self._body.abort()

    def _ends(self, end: Callable[[BodySink], None]) -> None:
        if self._sink is not None:
            end(self._sink)
        else:
            self._end = end

    def _have_gathered(self, failure: Exception | None = None) -> None:
        if not self._is_gathering:
            return
        self._is_gathering = False
        self._failure = failure
        if self._gathered is None:
            return
        if failure is None:
            self._gathered.callback(None)
        else:
            self._gathered.errback(failure)
