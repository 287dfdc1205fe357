"""What a scenario is: one number of devices doing one thing, and the figures that come of it."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from bench.devices import Outcome
from bench.laboratory import Running
from bench.origin import Artifact

Figures = dict[str, float]
_GIB = 1 << 30


@attrs.frozen
class Scale:
    """
    How much of everything.

    :param mebibytes: the artifact's length.
    :param megabits: what the uplink carries a second, where it matters.
    :param cold: devices at an empty cache.
    :param warm: devices at a full one.
    :param slow: devices with 20 KiB a second.
    :param requests: small ones in all.
    :param idle: connections that nothing is asked on any more.
    """

    mebibytes: int = 256
    megabits: float = 200.0
    cold: int = 50
    warm: int = 20
    slow: int = 1000
    requests: int = 6000
    idle: int = 500

    @property
    def length(self) -> int:
        """The artifact's, in bytes."""
        return self.mebibytes << 20

    @property
    def uplink_seconds(self) -> float:
        """The least that the artifact takes over the uplink."""
        return self.length * 8 / (self.megabits * 1e6)


QUICK = Scale(mebibytes=64, warm=16, requests=1600)
SMALL = Scale(mebibytes=16, cold=5, warm=3, slow=100, requests=400, idle=50)


@attrs.frozen
class Curve:
    """
    Scenarios that differ in one number only.

    :param name: how the page calls them all.
    :param unit: what grows.
    :param figures: those that are drawn.
    """

    name: str
    unit: str
    figures: tuple[str, ...]


@attrs.frozen
class Scenario:
    """
    One thing to measure.

    :param name: how tables and files call it.
    :param kind: of the devices' connections: ``plain``, ``tls`` or ``mutual``.
    :param measure: what is done.
    :param cost: the figure to compare servers by.
    :param artifact: whether it is an artifact that devices ask for.
    :param title: what is done, in a sentence.
    :param only: names of the servers that it is measured with, if not with all that can do it.
    :param curve: what it is a point of, at *at*.
    :param steady: whether a round is long, and costs are not what it is about: nginx, to whose cost
        tables compare, is measured in each round of all others.
    :param large: whether it takes so much disk and memory that it has to be asked for.
    """

    name: str
    kind: str
    measure: Callable[[Running, Scale], Figures]
    cost: str
    artifact: bool = True
    title: str = attrs.field()
    only: tuple[str, ...] = ()
    curve: Curve | None = None
    at: float = 0.0
    steady: bool = False
    large: bool = False

    @title.default
    def _title(self) -> str:
        return (self.measure.__doc__ or "").strip()


def fill(running: Running, artifact: Artifact | None = None) -> None:
    """Have the server download an artifact to its cache, as fast as it can."""
    running.laboratory.network.widen()
    check(running.fetched(artifact), 1)


def per_gib(cpu: float, seen: Outcome) -> float:
    """Divide by what devices got."""
    if not seen.bytes:
        raise RuntimeError(f"no device got anything: {seen.failure}")
    return cpu / (seen.bytes / _GIB)


def check(seen: Outcome, count: int) -> None:
    """
    See that devices got what they asked for.

    :param count: of the answers that have to be good.
    :raises RuntimeError: some are not.
    """
    if seen.good != count:
        raise RuntimeError(f"{count - seen.good} of {count} answers were bad: {seen.failure}")
