"""How often each of a few things happened."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

T = TypeVar("T")


class Tally(Counter[T]):
    """A counter to be told of what happens by calling it."""

    def __call__(self, what: T) -> None:
        """Count it."""
        self[what] += 1
