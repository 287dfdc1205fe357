"""What was put last is kept, and what was put long ago gives way."""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """
    Holds the values put last.

    :param capacity: how many.
    """

    def __init__(self, capacity: int):
        self._capacity = capacity
        self._values: dict[bytes, V] = {}

    def get(self, key: bytes) -> V | None:
        """Look up a value, which doesn't make it any newer."""
        return self._values.get(key)

    def pop(self, key: bytes) -> V | None:
        """Take a value out."""
        return self._values.pop(key, None)

    def put(self, key: bytes, value: V) -> None:
        """Keep a value, as the newest."""
        self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > self._capacity:
            del self._values[next(iter(self._values))]
