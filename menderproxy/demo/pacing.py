"""The thin WAN: a rate that all connections share, and a body sent at that rate."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.http import Request
from zope.interface import implementer

from menderproxy.demo.content import Content

_CHUNK = 64 * 1024
_BURST = 0.05


class Link:
    """
    A line of limited capacity, shared chunk by chunk in the order of asking.

    :param clock: tells the time.
    :param rate: bytes a second, or ``None`` for no limit.
    """

    def __init__(self, clock: IReactorTime, rate: float | None):
        self._clock = clock
        self._rate = rate
        self._free_at = 0.0

    @property
    def chunk(self) -> int:
        """How many bytes to send at once: a twentieth of a second, 64 KiB at most."""
        return _CHUNK if self._rate is None else max(1, min(_CHUNK, int(self._rate * _BURST)))

    def reserve(self, size: int) -> float:
        """Take the line for *size* bytes and tell in how many seconds they are through."""
        if self._rate is None:
            return 0.0
        now = self._clock.seconds()
        # A late timer may catch up by one burst, so that the mean rate is what was promised.
        self._free_at = max(self._free_at, now - _BURST) + size / self._rate
        return max(0.0, self._free_at - now)


@implementer(IPushProducer)
class PacedBody:
    """
    Sends a part of an object, no faster than the line and the client take it.

    :param request: gets the bytes; its headers are set already.
    :param content: what to read from.
    :param span: first offset, and the offset behind the last byte.
    :param link: the line to share.
    :param clock: for the pauses between chunks.
    :param sent: told the size of each chunk that went out.
    :param ended: called once when the span is through and the client still there.
    """

    def __init__(
        self,
        request: Request,
        content: Content,
        span: tuple[int, int],
        link: Link,
        clock: IReactorTime,
        sent: Callable[[int], None],
        ended: Callable[[], object],
    ):
        self._request = request
        self._content = content
        self._offset, self._end = span
        self._link = link
        self._clock = clock
        self._sent = sent
        self._ended = ended
        self._timer: IDelayedCall | None = None
        self._paused = False

    def start(self) -> None:
        """Begin to send."""
        self._request.registerProducer(self, True)
        self._schedule()

    def pauseProducing(self) -> None:
        """Send nothing until further notice."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Go on sending."""
        self._paused = False
        if self._timer is None:
            self._schedule()

    def stopProducing(self) -> None:
        """Never send again: the client has gone."""
        self._paused = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        size = min(self._link.chunk, self._end - self._offset)
        self._timer = self._clock.callLater(self._link.reserve(size), self._send)

    def _send(self) -> None:
        self._timer = None
        if self._paused:
            return
        size = min(self._link.chunk, self._end - self._offset)
        if size > 0:
            self._offset += size
            self._sent(size)
            self._request.write(self._content.read(self._offset - size, size))
        if self._offset >= self._end:
            self._request.unregisterProducer()
            self._ended()
        elif not self._paused:
            self._schedule()
