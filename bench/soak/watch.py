"""What the gateway takes while it is made to work, and whether that grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import attrs
from twisted.internet.task import LoopingCall

from bench.soak.gateway import Gateway, Use

_INTERVAL = 1.0
_MIB = 1 << 20
_FEWEST = 12


@attrs.frozen
class Tolerance:
    """
    How much more than before is still the same.

    :param share: of what it was.
    :param amount: besides.
    """

    share: float
    amount: float

    def exceeded(self, before: float, after: float) -> bool:
        """Whether it has become more than that."""
        return after > before * (1 + self.share) + self.amount


WHILE_WORKING = {
    # As many devices are connected as happen to be.
    "descriptors": Tolerance(0.25, 20),
    "sockets": Tolerance(0.25, 20),
    # Pools of threads grow up to their limit, and do not shrink.
    "threads": Tolerance(0.0, 8),
    "memory": Tolerance(0.15, 16 * _MIB),
}
"""Between the first and the last third of one life, by the medians."""

IDLE = {
    "descriptors": Tolerance(0.0, 4),
    "sockets": Tolerance(0.0, 0),
    "timers": Tolerance(0.0, 2),
    "selectables": Tolerance(0.0, 0),
    "socket objects": Tolerance(0.0, 0),
    "TLS connections": Tolerance(0.0, 0),
    "protocols": Tolerance(0.0, 2),
    "Deferreds": Tolerance(0.0, 10),
    "coroutines": Tolerance(0.0, 2),
    # Artifacts in the index and devices that are remembered, both of which have limits.
    "objects": Tolerance(0.25, 20_000),
}
"""Between a gateway that has just started and one that nobody uses any more."""


def grown(
    before: Mapping[str, float], after: Mapping[str, float], tolerances: Mapping[str, Tolerance]
) -> Iterator[str]:
    """Say what has become more, a line each."""
    for name, tolerance in tolerances.items():
        if tolerance.exceeded(before[name], after[name]):
            yield f"{name}: {_readable(name, before[name])} became {_readable(name, after[name])}"


def _readable(name: str, number: float) -> str:
    return f"{number / _MIB:.1f} MiB" if name == "memory" else f"{number:g}"


def thirds(samples: Sequence[Use]) -> tuple[Mapping[str, float], Mapping[str, float]] | None:
    """Give the medians of the first and of the last third; ``None`` if there are too few."""
    if len(samples) < _FEWEST:
        return None
    size = len(samples) // 3
    return _medians(samples[:size]), _medians(samples[-size:])


def _medians(samples: Sequence[Use]) -> Mapping[str, float]:
    rows = [attrs.asdict(sample) for sample in samples]
    return {name: median(row[name] for row in rows) for name in rows[0]}


class Watch:
    """
    Looks at the gateway every second.

    :ivar samples: of its present life.
    :ivar highest: the most memory that it ever had, in bytes.
    """

    def __init__(self, reactor: Any, gateway: Gateway):
        self.samples: list[Use] = []
        self.highest = 0
        self._gateway = gateway
        self._life = 0
        self._call = LoopingCall(self._look)
        self._call.clock = reactor

    def start(self) -> None:
        """Begin to look."""
        self._call.start(_INTERVAL).addErrback(lambda reason: reason.printTraceback())

    def stop(self) -> None:
        """Look no more."""
        if self._call.running:
            self._call.stop()

    def forget(self) -> None:
        """Begin a new series."""
        self.samples.clear()

    def _look(self) -> None:
        if self._gateway.lives != self._life:
            self._life = self._gateway.lives
            self.samples.clear()
        use = self._gateway.use()
        if use is not None:
            self.samples.append(use)
            self.highest = max(self.highest, use.memory)
