"""What was worked out for those who came last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """
    A memory of bounded size.

    ``functools.lru_cache`` keeps what it was asked with; this one can do with a digest of it.

    :param size: how many values are kept: those that were looked at last.
    """

    __slots__ = ("_size", "_values")

    def __init__(self, size: int):
        self._size = size
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> T | None:
        """Look a value up."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Hashable, value: T) -> None:
        """Keep a value, in the place of the one that nobody has looked at for longest."""
        self._values[key] = value
        if len(self._values) > self._size:
            self._values.popitem(last=False)
