"""A store's bodies, as long as a test wants them to be."""

from __future__ import annotations

from menderproxy.wire.body import BodySink


class FakeBody:
    """
    A body that has bytes whenever it is not paused.

    :ivar sent: how many of them are out.
    :ivar pauses: how often it was paused.
    """

    length: int | None = 1_000_000

    def __init__(self) -> None:
        self.sent = 0
        self.pauses = 0
        self.paused = False
        self.aborted = False
        self.sink: BodySink | None = None

    def deliver(self, sink: BodySink) -> None:
        """Take note of who takes them."""
        assert self.sink is None
        self.sink = sink

    def pause(self) -> None:
        """Take note."""
        self.paused = True
        self.pauses += 1

    def resume(self) -> None:
        """Take note."""
        self.paused = False

    def abort(self) -> None:
        """Take note."""
        self.aborted = True

    def send(self, size: int) -> None:
        """Send so many bytes, if they are wanted now."""
        if not self.paused and not self.aborted:
            self.sent += size
            self.taker.body_data(bytes(size))

    @property
    def taker(self) -> BodySink:
        """Who takes them."""
        assert self.sink is not None, "nobody takes the body"
        return self.sink
