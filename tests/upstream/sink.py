"""What takes a body in tests, and remembers how it came."""

from __future__ import annotations

from collections.abc import Callable


class Sink:
    """
    Takes one body.

    :param on_data: called with each piece of it.
    :ivar ending: how it ended: ``certain``, ``uncertain``, or with an error.
    """

    def __init__(self, on_data: Callable[[bytes], object] = lambda data: None):
        self.data = b""
        self.ending: list[str | Exception] = []
        self._on_data = on_data

    def body_data(self, data: bytes) -> None:
        """Take a piece."""
        self.data += data
        self._on_data(data)

    def body_ended(self, *, certain: bool) -> None:
        """Take note of the end."""
        self.ending.append("certain" if certain else "uncertain")

    def body_broken(self, reason: Exception) -> None:
        """Take note of the break."""
        self.ending.append(reason)
