"""How the body of an answer travels between rooms: who gives bytes, and who takes them."""

from __future__ import annotations

from typing import Protocol


class BodySink(Protocol):
    """Takes the bytes of one body, in order; exactly one of the two ends follows them."""

    def body_data(self, data: bytes) -> None:
        """Take the next bytes."""

    def body_ended(self, *, certain: bool) -> None:
        """
        The body is over.

        :param certain: ``False`` when only a closed connection said so, which can't be told
            from a connection that was cut.
        """

    def body_broken(self, reason: Exception) -> None:
        """The body broke off: what came so far is a part of it, never all of it."""


class Body(Protocol):
    """Gives the bytes of one body to a sink, as fast as the sink allows."""

    def deliver(self, sink: BodySink) -> None:
        """Start: bytes flow to *sink* until the body ends, breaks, or is aborted."""

    def pause(self) -> None:
        """Stop the flow for a while, down to the sender's socket. May be called repeatedly."""

    def resume(self) -> None:
        """Let the bytes flow again."""

    def abort(self) -> None:
        """Drop the connection; the sink hears nothing more. May be called at any time."""
