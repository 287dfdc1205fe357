"""A few at once, and the others in the order they came."""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred


class Turns:
    """
    Lets so many have a turn at once.

    Unlike Twisted's semaphore it doesn't nest: when those who get a turn give it back at once,
    because what they wait for has failed by then, thousands of them would exhaust the stack.

    :param at_once: how many.
    """

    def __init__(self, at_once: int):
        self._at_once = at_once
        self._free = at_once
        self._waiting: deque[Deferred[None]] = deque()
        self._giving = False

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._waiting)

    @property
    def taken(self) -> int:
        """How many have one."""
        return self._at_once - self._free

    def take_free(self) -> bool:
        """Take a turn if one is free and nobody waits for it: most of the time, and cheaper."""
        if not self._free or self._waiting:
            return False
        self._free -= 1
        return True

    def take(self) -> Deferred[None]:
        """Wait for a turn; a wait that is cancelled takes none."""
        turn: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(turn)
        self._give()
        return turn

    def give_back(self) -> None:
        """End a turn."""
        self._free += 1
        if self._waiting:
            self._give()

    def _give(self) -> None:
        if self._giving:
            return
        self._giving = True
        try:
            while self._free and self._waiting:
                self._free -= 1
                self._waiting.popleft().callback(None)
        finally:
            self._giving = False
