"""
The goals: what must hold, what we are after, and whether it is so by the figures of a run.

Most are ratios to a peer, measured in the same run on the same processor; those without a peer are
amounts. A goal of growth compares two of our own figures.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from bench.results import Results
from bench.servers.caddy import CADDY
from bench.servers.gateway import GATEWAY
from bench.servers.haproxy import HAPROXY
from bench.servers.nginx import NGINX, NGINX_LOCK, NGINX_SLICE
from bench.servers.trafficserver import TRAFFICSERVER
from bench.servers.varnish import VARNISH

# With less, no goal of the scenario is met: who serves few has little to do.
_SERVED = 0.9


@attrs.frozen
class Goal:
    """
    At most so much of one figure.

    :param must: the greatest ratio to the peer (or amount, without one) that is good enough.
    :param after: the one that we would like.
    :param peer: the name of who is compared with.
    :param base: the scenario that is compared with, if it is another one.
    """

    scenario: str
    figure: str
    must: float | None
    after: float | None = None
    peer: str = ""
    base: str = ""

    @property
    def reference(self) -> str:
        """What our figure is divided by, in words; nothing if it stands for itself."""
        return self.base or self.peer


@attrs.frozen
class Verdict:
    """
    What came of a goal.

    :param ours: our figure, ``None`` if it was not measured.
    :param theirs: the one it is compared with, ``None`` likewise, or if there is none.
    :param ratio: to compare with the goal; without a peer, our figure itself.
    :param served: the part of our devices that got what they asked for, where that is counted.
    """

    goal: Goal
    ours: float | None
    theirs: float | None
    ratio: float | None
    served: float | None = None

    @property
    def held(self) -> bool | None:
        """Whether what must be so is so; ``None`` if it is not known, or nothing must be so."""
        return self._within(self.goal.must)

    @property
    def reached(self) -> bool | None:
        """Whether what we are after is so; ``None`` likewise."""
        return self._within(self.goal.after)

    def _within(self, bound: float | None) -> bool | None:
        if self.ratio is None or bound is None:
            return None
        return self.ratio <= bound and (self.served is None or self.served >= _SERVED)


def _cold() -> Iterator[Goal]:
    for name in ("cold, plain", "cold, TLS"):
        yield Goal(name, "uplink", 1.0)
        yield Goal(name, "uplink_requests", 1)
    yield Goal("cold, plain", "last", 1.15, 1.06)
    yield Goal("cold, plain", "cpu_gib", 1.5, 1.0, VARNISH.name)
    yield Goal("cold, plain", "cpu_gib", 1.1, None, TRAFFICSERVER.name)
    yield Goal("cold, plain", "anonymous", 0.25, None, VARNISH.name)
    for figure, most in (("cpu_gib", 1.1), ("last", 1.0)):
        yield Goal("cold, TLS", figure, most, None, NGINX_SLICE.name)
        yield Goal("cold, TLS", figure, most, None, TRAFFICSERVER.name)
        yield Goal("cold, TLS", figure, None, 1.0, NGINX_LOCK.name)
    yield Goal("cold, TLS", "anonymous", 80)
    for name in ("cold, plain", "cold, TLS"):
        yield Goal(name, "first_p99", 0.5)
        yield Goal(name, "first_p99", 1.0, None, NGINX_SLICE.name)
        yield Goal(name, "first_p99", None, 1.0, TRAFFICSERVER.name)


def _late() -> Iterator[Goal]:
    for name in ("late, plain", "late, TLS"):
        yield Goal(name, "first_p50", 0.02, 0.005)
        yield Goal(name, "last", 1.08, 1.05)
        yield Goal(name, "uplink", 1.0)


def _warm() -> Iterator[Goal]:
    yield Goal("warm, plain", "cpu_gib", 1.3, 1.0, NGINX.name)
    yield Goal("warm, plain", "cpu_gib", 1.0, None, TRAFFICSERVER.name)
    yield Goal("warm, TLS", "cpu_gib", 1.25, 1.0, NGINX.name)
    yield Goal("warm, TLS", "cpu_gib", 1.1, None, TRAFFICSERVER.name)


def _device_api() -> Iterator[Goal]:
    for name in ("kept connection, plain", "kept connection, TLS"):
        yield Goal(name, "cpu_request", 2.0, 1.0, CADDY.name)
    yield Goal("new connections, TLS", "cpu_request", 1.6, 1.0, CADDY.name)
    yield Goal("new connections, TLS", "cpu_request", 2.2, 1.2, NGINX.name)
    yield Goal("new connections, mutual TLS", "cpu_request", 1.6, 1.0, CADDY.name)
    yield Goal("new connections, mutual TLS", "cpu_request", 1.0, None, HAPROXY.name)
    yield Goal("100 a second, TLS", "p99", 1.5, None, CADDY.name)
    yield Goal("100 a second, TLS", "p99", None, 1.0, NGINX.name)


def _growth() -> Iterator[Goal]:
    yield Goal("growth, devices, 5000", "cpu_device", 1.25, base="growth, devices, 1000")
    for figure in ("device_kib", "tcp"):
        # Memory in all may grow as the devices do: five times.
        most = 1.25 if figure == "device_kib" else 6.25
        base = "growth, slow devices, 1000"
        yield Goal("growth, slow devices, 5000", figure, most, base=base)
    for mebibytes in (1024, 10240):
        for figure in ("cpu_gib", "anonymous"):
            yield Goal(f"growth, artifact, {mebibytes}", figure, 1.25, base="growth, artifact, 64")


GOALS = (
    *_cold(),
    *_late(),
    Goal("upstream", "cpu_gib", 1.2, 1.0, NGINX.name),
    *_warm(),
    *_device_api(),
    Goal("slow, TLS", "device_kib", 48, 32),
    Goal("slow, TLS", "tcp", 0.25, 0.125, NGINX.name),
    Goal("idle, TLS", "rss", 60, 45),
    Goal("idle, TLS", "start", 1.5, 0.8),
    *_growth(),
)


def rivals(scenario: str) -> set[str]:
    """Give the names of the peers that a scenario's goals compare with."""
    return {goal.peer for goal in GOALS if goal.scenario == scenario and goal.peer}


def verdicts(results: Results) -> list[Verdict]:
    """Judge all goals."""
    return [_verdict(results, goal) for goal in GOALS]


def _verdict(results: Results, goal: Goal) -> Verdict:
    ours = results.one(goal.scenario, GATEWAY.name, goal.figure)
    served = results.one(goal.scenario, GATEWAY.name, "done")
    if not goal.reference:
        return Verdict(goal, ours, None, ours, served)
    theirs = results.one(goal.base or goal.scenario, goal.peer or GATEWAY.name, goal.figure)
    ratio = ours / theirs if ours is not None and theirs else None
    return Verdict(goal, ours, theirs, ratio, served)
