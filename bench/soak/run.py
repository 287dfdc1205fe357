"""One run: start, chaos, calm, silence, end; and what has to be true at each."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Any

import attrs
from twisted.internet.task import LoopingCall, deferLater

from bench.soak.chaos import Chaos
from bench.soak.mishaps import CLOCK, ENDS, MISHAPS
from bench.soak.plant import TYPES, Plant
from bench.soak.watch import IDLE, WHILE_WORKING, Watch, grown, thirds

WARM_WITHIN = 60.0
UP_TO_DATE_WITHIN = 180.0
"""Seconds from the end of all chaos. The longest pause of the gateway between two tries is 60 s."""

EMPTY_WITHIN = 100.0
"""Seconds from the last device's goodbye. Connections to upstreams are kept for less than 60 s."""

LONG_LIFE = 600
"""
Samples, one a second, from which on its thirds can be compared.

In a shorter life the last third may be all mishap. What leaks shows in the end, too.
"""

STOPS_WITHIN = 20.0
"""Seconds in which a gateway ends that has nothing to do."""

FETCHED_AT_MOST = 2.5
"""Times what a faultless gateway would fetch: the cache is small, and often gone or passed by."""

_LOOK = 0.25
_TROUBLE = re.compile(r"Traceback|Unhandled|level=fatal|Exception ignored")


@attrs.frozen
class Stages:
    """
    How long the stages of a run take, in seconds.

    :param deaths: chaos in which the gateway dies, too.
    :param life: chaos that it has to live through, so that leaks show.
    """

    deaths: float
    life: float

    @classmethod
    def of(cls, minutes: float) -> Stages:
        """Divide a run's time; start and end take a good minute of it."""
        chaos = max(20.0, minutes * 60 - 80)
        return cls(chaos * 0.3, chaos * 0.7)


class Run:
    """
    Puts a plant through all stages, and writes its findings down.

    :param dice: those of chaos.
    :param without: names of mishaps that are not to happen.
    """

    def __init__(
        self,
        reactor: Any,
        plant: Plant,
        stages: Stages,
        dice: Random,
        without: Collection[str] = (),
    ):
        self._reactor = reactor
        self._plant = plant
        self._findings = plant.findings
        self._stages = stages
        self._dice = dice
        self._without = without
        self._watch = Watch(reactor, plant.gateway)
        self._forgetting = LoopingCall(plant.server.requests.clear)
        self._forgetting.clock = reactor

    async def go(self) -> None:
        """Do all of it."""
        plant = self._plant
        plant.start()
        try:
            await plant.gateway.start()
            fresh = await self._counts()
            self._watch.start()
            self._forgetting.start(1)
            await self._warm_up()
            await self._suffer()
            await self._recover()
            await self._fall_silent(fresh)
            await self._end()
        finally:
            self._watch.stop()
            if self._forgetting.running:
                self._forgetting.stop()
            await plant.gateway.end(signal.SIGKILL)
            await plant.stop()

    async def _warm_up(self) -> None:
        for device_type in TYPES:
            self._plant.publish(device_type)
        for device in self._plant.devices:
            device.live()
        await self._all_up_to_date(WARM_WITHIN, "all is well at the start")

    async def _suffer(self) -> None:
        self._plant.circumstances.calm_since = None
        mishaps = list(MISHAPS)
        if self._plant.clock.is_there:
            mishaps.append(CLOCK)
        else:
            self._findings.say("gcc is not installed: the clock does not jump")
        mishaps = [mishap for mishap in mishaps if mishap.name not in self._without]
        chaos = Chaos(self._reactor, self._plant, [*mishaps, *ENDS], self._dice)
        await chaos.reign(self._stages.deaths)
        chaos.mishaps = mishaps
        self._watch.forget()
        self._findings.say("from here on the gateway has to live")
        await chaos.reign(self._stages.life)
        self._check_flat()

    def _check_flat(self) -> None:
        medians = thirds(self._watch.samples)
        if medians is None:
            self._findings.violation("the gateway is there", "hardly any samples of its life")
            return
        if len(self._watch.samples) >= LONG_LIFE:
            for line in grown(*medians, WHILE_WORKING):
                self._findings.violation("what the gateway takes does not grow", line)
        self._show("first third", medians[0])
        self._show("last third", medians[1])

    async def _recover(self) -> None:
        self._plant.circumstances.calm_since = self._reactor.seconds()
        for device_type in TYPES:
            self._plant.publish(device_type)
        await self._all_up_to_date(UP_TO_DATE_WITHIN, "nobody is stuck")
        self._check_bytes()

    async def _all_up_to_date(self, seconds: float, rule: str) -> None:
        began = self._reactor.seconds()

        def late() -> list[str]:
            plant = self._plant
            return [
                str(device)
                for device in plant.devices
                if not device.is_up_to_date and device not in plant.refused
            ]

        await self._until(lambda: not late(), seconds)
        for device in late():
            self._findings.violation(rule, device)
        self._findings.say(
            f"all devices are up to date after {self._reactor.seconds() - began:.1f} s"
            if not late()
            else f"{len(late())} devices are not up to date"
        )

    def _check_bytes(self) -> None:
        sent, needed = self._plant.store.bytes_sent, self._plant.releases.needed
        ratio = sent / needed
        self._findings.say(f"the store sent {sent >> 20} MiB, {ratio:.2f} times what is needed")
        if ratio > FETCHED_AT_MOST:
            self._findings.violation("artifacts are not fetched over and over", f"{ratio:.2f}")

    async def _fall_silent(self, fresh: Mapping[str, float]) -> None:
        for device in self._plant.devices:
            await device.leave()
        began = self._reactor.seconds()
        idle = await self._counts()
        while list(grown(fresh, idle, IDLE)) and self._reactor.seconds() < began + EMPTY_WITHIN:
            await deferLater(self._reactor, 2)
            idle = await self._counts()
        self._findings.say(f"idle after {self._reactor.seconds() - began:.0f} s")
        for line in grown(fresh, idle, IDLE):
            self._findings.violation("nothing is left behind", line)
        self._show("at the start", fresh)
        self._show("at the end", idle)

    async def _end(self) -> None:
        began = self._reactor.seconds()
        await self._plant.gateway.end(signal.SIGTERM)
        took = self._reactor.seconds() - began
        self._findings.say(f"stopped within {took:.1f} s")
        if took > STOPS_WITHIN:
            self._findings.violation("the gateway stops when it is told to", f"{took:.1f} s")
        for path in self._plant.wrong_files():
            self._findings.violation("what is on the disk is right", path.name)
        for line in self._plant.gateway.log.read_text(errors="replace").splitlines():
            if _TROUBLE.search(line):
                self._findings.violation("no trouble in the log", line)

    async def _counts(self) -> Mapping[str, float]:
        use = self._plant.gateway.use()
        assert use is not None, "it does not end by itself, or that was noted"
        counts = await self._plant.gateway.census()
        self._classes = counts.pop("classes")
        return {**attrs.asdict(use), **counts}

    def _show(self, when: str, numbers: Mapping[str, float]) -> None:
        text = ", ".join(
            f"{name} {number / (1 << 20):.1f} MiB" if name == "memory" else f"{name} {number:g}"
            for name, number in numbers.items()
        )
        self._findings.say(f"{when}: {text}")

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        end = self._reactor.seconds() + seconds
        while not condition() and self._reactor.seconds() < end:
            await deferLater(self._reactor, _LOOK)
