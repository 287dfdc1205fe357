"""The figures that are measured: their titles, their units, and which of several rounds counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs


@attrs.frozen
class Figure:
    """
    One figure.

    :param title: with a capital letter.
    :param unit: nothing for a ratio or a count.
    :param of_rounds: chooses among the figures of all rounds. The least is right for a cost: other
        work on the machine adds to it, and never takes from it. Where a figure says whether all
        went well, the worst round counts.
    :param fraction: whether it is shown in hundredths.
    """

    title: str
    unit: str = ""
    of_rounds: Callable[[Sequence[float]], float] = min
    fraction: bool = False

    @property
    def heading(self) -> str:
        """Its title and its unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def shown(self, value: float) -> str:
        """Write it in three digits, or as many as it has before the point."""
        value = value * 100 if self.fraction else value
        return f"{value:.0f}" if value >= 100 or self.fraction else f"{value:.3g}"


FIGURES = {
    "done": Figure("Done", "%", fraction=True),
    "uplink": Figure("Uplink, artifacts", of_rounds=max),
    "uplink_requests": Figure("Uplink, requests", of_rounds=max),
    "first_p50": Figure("First byte p50", "s"),
    "first_p99": Figure("First byte p99", "s"),
    "last": Figure("Last byte, uplink times"),
    "last_early": Figure("First device, uplink times"),
    "cpu_gib": Figure("CPU", "s/GiB"),
    "cpu_request": Figure("CPU", "ms/request"),
    "cpu_device": Figure("CPU", "ms/device"),
    "fill_cpu_gib": Figure("CPU to fill the cache", "s/GiB"),
    "took": Figure("Took", "s"),
    "p50": Figure("p50", "ms"),
    "p99": Figure("p99", "ms"),
    "start": Figure("First answer after", "s"),
    "rss": Figure("Resident memory", "MiB"),
    "connection_kib": Figure("Memory a connection", "KiB"),
    "device_kib": Figure("Memory a device", "KiB"),
    "anonymous": Figure("Memory", "MiB"),
    "tcp": Figure("Kernel TCP", "MiB"),
    "steady_cpu": Figure("CPU, steady", "%"),
    "ramp_cpu": Figure("CPU in all", "s"),
    "loader": Figure("Devices' CPU", "%", fraction=True),
}
"""By the names that files have for them, in the order of tables' columns."""
