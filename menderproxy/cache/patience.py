"""How long a download keeps trying, and when it tries next."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.frozen
class Patience:
    """
    How long we try, in seconds.

    :param first_retry: before the first new try; it doubles with each that brings nothing.
    :param longest_retry: between two tries at most.
    :param longest_asked: the same, when the store itself asks for a pause.
    :param fresher_link: for a better link, before a store's refusal is passed on.
    :param unwanted: without progress, once no device waits for the artifact any more.
    """

    first_retry: float = 0.5
    longest_retry: float = 60.0
    longest_asked: float = 600.0
    fresher_link: float = 60.0
    unwanted: float = 1800.0


class Backoff:
    """
    Grows the pauses between tries, and starts small again after progress.

    :param jitter: a random number from 0 to 1: gateways that lost the same store come back at
        different times.
    """

    def __init__(self, patience: Patience, jitter: Callable[[], float]):
        self._patience = patience
        self._jitter = jitter
        self._fruitless = 0

    def progress(self) -> None:
        """Something came."""
        self._fruitless = 0

    def pause(self, asked: float | None = None) -> float:
        """
        Seconds to wait now.

        :param asked: what the store asked for.
        """
        grown = self._patience.first_retry * 2.0**self._fruitless
        self._fruitless = min(self._fruitless + 1, 16)
        pause = min(self._patience.longest_retry, grown) * (0.5 + self._jitter() / 2)
        return max(pause, min(asked or 0.0, self._patience.longest_asked))
