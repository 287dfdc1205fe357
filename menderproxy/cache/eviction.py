"""Which artifact goes next when room is needed: the one served longest ago (pure)."""

from __future__ import annotations

from collections.abc import Iterable

import attrs


@attrs.frozen
class Candidate:
    """
    An artifact that could go.

    :param length: bytes it frees.
    :param served_at: Unix time at which it was last served.
    :param in_use: it is being served, pinned or waited for.
    """

    key: str
    length: int
    served_at: float
    in_use: bool


def choose(candidates: Iterable[Candidate], needed: int) -> list[str] | None:
    """
    Choose what must go to free *needed* bytes.

    :param candidates: the one served longest ago first; no more of them are looked at than needed.
    :returns: keys, the one served longest ago first; ``None`` when even all of them together
        would not do, and so none should go.
    """
    chosen: list[str] = []
    if needed <= 0:
        return chosen
    for candidate in candidates:
        if not candidate.in_use:
            chosen.append(candidate.key)
            needed -= candidate.length
            if needed <= 0:
                return chosen
    return None
