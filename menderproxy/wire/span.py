"""How a file's bytes travel to a device's connection: by their place, not by value."""

from __future__ import annotations

from typing import Protocol


class Span(Protocol):
    """
    Bytes of a file that are to go out in order: some now, more when they are there.

    Only this view of the file moves; whoever sends it reads the bytes where they lie, so that
    they need not pass through objects of Python.
    """

    @property
    def fd(self) -> int:
        """The open file."""

    @property
    def position(self) -> int:
        """Offset of the next byte to go out."""

    def ready(self, most: int) -> int:
        """How many of the next *most* bytes are in memory; 0 means that they are to come."""

    def read_into(self, buffer: memoryview) -> int:
        """Copy the next bytes, as far as they are in memory; 0 as for :meth:`ready`."""

    def sent(self, count: int) -> None:
        """So many went out: the position moves on."""

    def failed(self, error: OSError) -> None:
        """The file can't be read; the connection is whole."""


class SpanWriter(Protocol):
    """A connection that sends spans."""

    def write_span(self, span: Span) -> None:
        """
        Send a span after what was written before.

        The connection counts as full at once (its producer is paused), and lets go of the span
        when that has no more bytes for it, or failed; then the producer is resumed. One span at
        a time.
        """
