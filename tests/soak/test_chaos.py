"""Mishaps, one after the other and at once."""

from __future__ import annotations

from io import StringIO
from random import Random
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase

from bench.soak.chaos import Chaos, Mishap
from bench.soak.findings import Findings
from bench.soak.plant import Plant


@attrs.define
class _Plant:
    """What mishaps of these tests need of a plant."""

    findings: Findings
    broken: int = 0
    most: int = 0


class ReignTests(SynchronousTestCase):
    """Chaos with a clock of its own."""

    def setUp(self) -> None:
        """One part that can break."""
        self.clock = Clock()
        self.findings = Findings(self.clock.seconds, StringIO())
        self.plant = _Plant(self.findings)

    def reign(self, lasts: float, *parts: str) -> Deferred[None]:
        """Let chaos reign for a minute, with mishaps of some length for each part."""

        async def happen(plant: Any, dice: Random) -> None:
            plant.broken += 1
            plant.most = max(plant.most, plant.broken)
            await deferLater(self.clock, lasts)
            plant.broken -= 1

        mishaps = [Mishap(f"{part} breaks", part, 1, happen) for part in parts]
        chaos = Chaos(self.clock, cast(Plant, self.plant), mishaps, Random(1))
        return Deferred.fromCoroutine(chaos.reign(60))

    def test_one_part(self) -> None:
        """What is broken does not break again before it is mended."""
        self.reign(30, "store")
        self.clock.pump([0.1] * 600)
        self.assertEqual(self.plant.most, 1)
        self.assertEqual(self.findings.counts["mishap: store breaks"], 2)

    def test_two_parts(self) -> None:
        """Two parts can be broken at once."""
        self.reign(30, "store", "server")
        self.clock.pump([0.1] * 600)
        self.assertEqual(self.plant.most, 2)

    def test_all_is_mended(self) -> None:
        """It ends when all is mended, not before."""
        reign = self.reign(100, "store")
        self.clock.pump([0.1] * 700)
        self.assertNoResult(reign)
        self.clock.advance(40)
        self.successResultOf(reign)
        self.assertEqual(self.plant.broken, 0)

    def test_at_once(self) -> None:
        """A mishap that is over at once leaves its part to the next one."""

        async def happen(plant: Any, dice: Random) -> None:
            plant.most += 1

        chaos = Chaos(self.clock, cast(Plant, self.plant), [Mishap("x", "x", 1, happen)], Random(1))
        reign = Deferred.fromCoroutine(chaos.reign(60))
        self.clock.pump([0.1] * 700)
        self.successResultOf(reign)
        self.assertGreater(self.plant.most, 10)

    def test_not_mended(self) -> None:
        """A mishap that fails by itself is a violation, and ends nothing."""

        async def happen(plant: Any, dice: Random) -> None:
            raise RuntimeError("stuck")

        chaos = Chaos(self.clock, cast(Plant, self.plant), [Mishap("x", "x", 1, happen)], Random(1))
        reign = Deferred.fromCoroutine(chaos.reign(5))
        self.clock.pump([0.1] * 100)
        self.successResultOf(reign)
        self.assertFalse(self.findings.are_none)
