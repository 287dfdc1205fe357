"""So many bytes a second for all downloads together, most of them for the oldest."""

from __future__ import annotations

import attrs

BURST = 0.25
"""Seconds for which a share that takes nothing saves up."""

FOR_THE_OTHERS = 0.25
"""The part of the rate that the oldest share leaves to the others, even when it could take all."""


@attrs.define(eq=False)
class Share:
    """
    What one download may take.

    :ivar tokens: bytes that it may take now; below zero when it has taken more than it might, for
        what has come can't be sent back.
    """

    tokens: float = 0.0

    def add(self, tokens: float, most: float) -> float:
        """
        Take tokens, as long as there are no more than *most* of them.

        :returns: those that are left over.
        """
        taken = min(tokens, most - self.tokens)
        self.tokens += taken
        return tokens - taken


class TokenBucket:
    """
    Deals out bytes: first to each share what it is sure of, then what nobody took by age.

    The oldest download is done as early as it can be, and whoever waits for it; yet none starves.

    :param rate: bytes a second.
    """

    def __init__(self, rate: int):
        self._rate = rate
        self._shares: list[Share] = []

    def join(self) -> Share:
        """Add the youngest share."""
        share = Share()
        self._shares.append(share)
        return share

    def leave(self, share: Share) -> None:
        """Remove a share, and what it has."""
        self._shares.remove(share)

    def fill(self, seconds: float) -> None:
        """
        Deal out what so much time brings.

        :param seconds: since it was last called; of more than a few moments only those count, for
            a line can't send tomorrow what it did not send today.
        """
        most = self._rate * BURST
        brought = self._rate * min(seconds, BURST)
        left = sum(
            share.add(brought * part, most)
            for share, part in zip(self._shares, self._parts(), strict=True)
        )
        for share in self._shares:
            left = share.add(left, most)

    def _parts(self) -> list[float]:
        others = len(self._shares) - 1
        if others < 1:
            return [1.0] * len(self._shares)
        return [1 - FOR_THE_OTHERS, *[FOR_THE_OTHERS / others] * others]
