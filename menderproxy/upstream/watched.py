"""Bodies that tell when they are over."""

from __future__ import annotations

from collections.abc import Callable

from menderproxy.upstream.stores import StoreBody
from menderproxy.wire.body import BodySink


class WatchedBody:
    """
    Passes one body on.

    :ivar length: bytes of it, or ``None`` when the store doesn't say.

    :param over: called once: the body ended, broke off, or was aborted.
    """

    def __init__(self, body: StoreBody, over: Callable[[], object]):
        self.length = body.length
        self._body = body
        self._tell = over
        self._sink: BodySink | None = None
        self._is_over = False

    def deliver(self, sink: BodySink) -> None:
        """Let the body flow to *sink* (see :class:`menderproxy.wire.body.Body`)."""
        self._sink = sink
        self._body.deliver(self)

    def pause(self) -> None:
        """Stop the flow for a while."""
        self._body.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._body.resume()

    def abort(self) -> None:
        """Drop the connection."""
        self._over()
        self._body.abort()

    def body_data(self, data: bytes) -> None:
        """Hand bytes on."""
        if self._sink is not None:
            self._sink.body_data(data)

    def body_ended(self, *, certain: bool) -> None:
        """All of them are through."""
        sink = self._over()
        if sink is not None:
            sink.body_ended(certain=certain)

    def body_broken(self, reason: Exception) -> None:
        """No more will come."""
        sink = self._over()
        if sink is not None:
            sink.body_broken(reason)

    def _over(self) -> BodySink | None:
        sink, self._sink = self._sink, None
        if not self._is_over:
            self._is_over = True
            self._tell()
        return sink
