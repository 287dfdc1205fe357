"""Who breaks things: at random, one after the other and several at once, and mends them again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater

from bench.soak.plant import Plant


@attrs.frozen
class Mishap:
    """
    One way for things to go wrong.

    :param name: for people.
    :param part: of the plant that it breaks; no two break the same one at once.
    :param weight: how often it happens, beside the others.
    :param happen: breaks it and mends it; gets the plant, and the dice that say how badly.
    """

    name: str
    part: str
    weight: float
    happen: Callable[[Plant, Random], Awaitable[str | None]]


class Chaos:
    """
    Lets mishaps happen.

    :param mishaps: which, and how often; may be changed while it goes on.
    """

    def __init__(self, reactor: Any, plant: Plant, mishaps: Sequence[Mishap], dice: Random):
        self.mishaps = mishaps
        self._reactor = reactor
        self._plant = plant
        self._dice = dice
        self._broken: dict[str, Deferred[None]] = {}

    async def reign(self, seconds: float) -> None:
        """Let them happen for some time, and wait until all is mended."""
        end = self._reactor.seconds() + seconds
        while self._reactor.seconds() < end:
            self._let_something_happen()
            await deferLater(self._reactor, self._dice.uniform(0.3, 4.0))
        await DeferredList(list(self._broken.values()))

    def _let_something_happen(self) -> None:
        possible = [mishap for mishap in self.mishaps if mishap.part not in self._broken]
        if not possible:
            return
        [mishap] = self._dice.choices(possible, [each.weight for each in possible])
        # Dice of its own: what happens meanwhile elsewhere changes nothing about it.
        dice = Random(self._dice.getrandbits(64))
        # The part is taken before anything happens: it may be over at once.
        over: Deferred[None] = Deferred()
        self._broken[mishap.part] = over
        happening = Deferred.fromCoroutine(self._happen(mishap, dice))
        happening.addErrback(self._went_wrong, mishap)
        happening.addCallback(lambda _: self._mended(mishap, over))

    async def _happen(self, mishap: Mishap, dice: Random) -> None:
        self._plant.findings.counts[f"mishap: {mishap.name}"] += 1
        began = self._reactor.seconds()
        detail = await mishap.happen(self._plant, dice)
        lasted = self._reactor.seconds() - began
        self._plant.findings.say(
            f"{mishap.name}{f' ({detail})' if detail else ''}, for {lasted:.1f} s"
        )

    def _mended(self, mishap: Mishap, over: Deferred[None]) -> None:
        del self._broken[mishap.part]
        over.callback(None)

    def _went_wrong(self, reason: Any, mishap: Mishap) -> None:
        self._plant.findings.violation(
            "mishaps can be mended", f"{mishap.name}: {reason.getTraceback()}"
        )
