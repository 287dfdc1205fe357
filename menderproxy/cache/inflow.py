"""One connection's bytes into the writer, as fast as the disk takes them."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from menderproxy.cache.statistics import Statistics
from menderproxy.cache.writer import Writer
from menderproxy.wire.body import Body

HIGH_WATER = 4 * 1024 * 1024
LOW_WATER = 1024 * 1024


class InflowBroken(Exception):
    """The bytes stopped before the last one."""


class Inflow:
    """
    Takes the body of one answer of the store.

    :param length: bytes of the whole object, or ``None`` when the store doesn't say.
    :param statistics: counts what comes.
    """

    def __init__(self, body: Body, writer: Writer, length: int | None, statistics: Statistics):
        self._body = body
        self._statistics = statistics
        self._writer = writer
        self._length = length
        self._paused = False
        self._over: Deferred[None] = Deferred(lambda _: body.abort())

    async def run(self) -> None:
        """
        Take bytes until the object is complete, or the disk fails (the writer knows).

        :raises InflowBroken: the body ended, broke or went on where it should not.
        """
        if self._writer.taken:
            self._statistics.resumes += 1
        self._body.deliver(self)
        await self._over

    def written(self) -> None:
        """The writer got on: see whether there is room for more."""
        if self._writer.failure is not None:
            self._end(None)
        elif self._paused and self._writer.backlog <= LOW_WATER:
            self._paused = False
            self._body.resume()

    def body_data(self, data: bytes) -> None:
        """Take bytes; ask for a pause when the disk can't follow."""
        if self._length is not None and self._writer.taken + len(data) > self._length:
            self._end(InflowBroken("the store sent more than it promised"))
            return
        self._statistics.fetched += len(data)
        self._writer.write(data)
        if not self._paused and self._writer.backlog > HIGH_WATER:
            self._paused = True
            self._body.pause()

    def body_ended(self, *, certain: bool) -> None:
        """All of it, if the length says so too."""
        if self._length is None and not certain:
            self._end(InflowBroken("the store closed a connection of unknown length"))
        elif self._length is not None and self._writer.taken != self._length:
            self._end(InflowBroken("the store sent less than it promised"))
        else:
            self._end(None)

    def body_broken(self, reason: Exception) -> None:
        """The connection broke."""
        self._end(InflowBroken(str(reason)))

    def _end(self, reason: InflowBroken | None) -> None:
        if self._over.called:
            return
        if reason is None and self._writer.failure is None:
            self._over.callback(None)
            return
        self._body.abort()
        if reason is None:
            self._over.callback(None)
        else:
            self._over.errback(reason)
