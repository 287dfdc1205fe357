"""A number that lives elsewhere, and all that is said of it when it is shown."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence

import attrs

Values = Mapping[tuple[str, ...], float]
"""A number for each combination of the labels' values."""

Steps = Sequence[tuple[float, int]]
"""How many observations were not above each bound; the last bound is infinite."""


class Kind(enum.Enum):
    """How a number behaves: it only grows, or goes up and down."""

    COUNTER = "counter"
    GAUGE = "gauge"


@attrs.frozen
class Instrument:
    """
    One metric. It is read when somebody asks for it, so what is measured knows nothing of it.

    :param name: all but the prefix that our metrics share.
    :param help: one sentence.
    :param labels: their names. No value of theirs may be what a device or a server chooses: each
        makes a time series of its own, for ever.
    :param read: gives the numbers as they are now.
    """

    kind: Kind
    name: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[], Values]


@attrs.frozen
class HistogramInstrument:
    """
    One metric that tells how observations are distributed.

    :param read: gives the steps, and the sum of all observations.
    """

    name: str
    help: str
    read: Callable[[], tuple[Steps, float]]


def counter(name: str, help: str, read: Callable[[], float]) -> Instrument:
    """One number that only grows."""
    return Instrument(Kind.COUNTER, name, help, (), lambda: {(): read()})


def gauge(name: str, help: str, read: Callable[[], float | None]) -> Instrument:
    """One number; while *read* gives ``None`` there is none."""

    def values() -> Values:
        value = read()
        return {} if value is None else {(): value}

    return Instrument(Kind.GAUGE, name, help, (), values)


def counters(
    name: str, help: str, labels: tuple[str, ...], read: Callable[[], Values]
) -> Instrument:
    """Numbers that only grow."""
    return Instrument(Kind.COUNTER, name, help, labels, read)


def gauges(name: str, help: str, labels: tuple[str, ...], read: Callable[[], Values]) -> Instrument:
    """Numbers that go up and down."""
    return Instrument(Kind.GAUGE, name, help, labels, read)
