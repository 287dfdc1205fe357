"""What is measured: each scenario is one number of devices doing one thing."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from bench.accounting import cpu_seconds
from bench.devices import Outcome, outcome
from bench.laboratory import Running

Figures = dict[str, float]
_GIB = 1 << 30
_SLOW_RATE = 20 << 10
_SLOW_RECEIVE = 32 << 10


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
    """

    mebibytes: int = 256
    megabits: float = 200.0
    cold: int = 50
    warm: int = 20
    slow: int = 1000
    requests: int = 6000

    @property
    def length(self) -> int:
        """The artifact's, in bytes."""
        return self.mebibytes << 20

    @property
    def uplink_seconds(self) -> float:
        """The least that the artifact takes over the uplink."""
        return self.length * 8 / (self.megabits * 1e6)


QUICK = Scale(mebibytes=64, requests=2400)


def cold(running: Running, scale: Scale) -> Figures:
    """All devices ask for an artifact that is in no cache, at the same moment."""
    laboratory = running.laboratory
    laboratory.network.narrow(scale.megabits)
    limit = 6 * scale.uplink_seconds
    with running.accounted() as account:
        seen = outcome(running.fetch(devices=scale.cold, seconds=limit))
    # The origin notes a request at its end, also of one that nobody waits for any more.
    laboratory.network.gateway.empty()
    time.sleep(0.5)
    requests, sent = laboratory.origin.uplink()
    return {
        "done": seen.good / scale.cold,
        "uplink": sent / scale.length,
        "uplink_requests": requests,
        "first_p50": seen.first_p50,
        "first_p99": seen.first_p99,
        "last": seen.seconds / scale.uplink_seconds,
        "cpu_gib": _per_gib(account.cpu, seen),
        "anonymous": account.anonymous,
        "loader": seen.cpu / seen.seconds,
    }


def late(running: Running, scale: Scale) -> Figures:
    """A second device asks when half of the artifact has come in."""
    laboratory = running.laboratory
    laboratory.network.narrow(scale.megabits)
    began = time.monotonic()
    early = running.fetch(seconds=6 * scale.uplink_seconds)
    time.sleep(scale.uplink_seconds / 2)
    joined = time.monotonic() - began
    late_one = outcome(running.fetch(seconds=6 * scale.uplink_seconds))
    early_one = outcome(early)
    laboratory.network.gateway.empty()
    time.sleep(0.5)
    requests, sent = laboratory.origin.uplink()
    return {
        "done": (early_one.good + late_one.good) / 2,
        "uplink": sent / scale.length,
        "uplink_requests": requests,
        "first_p50": late_one.first_p50,
        "last": (joined + late_one.seconds) / scale.uplink_seconds,
        "last_early": early_one.seconds / scale.uplink_seconds,
    }


def warm(running: Running, scale: Scale) -> Figures:
    """Devices download an artifact from the cache, as fast as they can."""
    _fill(running)
    with running.accounted() as account:
        seen = outcome(running.fetch(devices=scale.warm))
    _all_good(seen, scale.warm)
    return {
        "cpu_gib": _per_gib(account.cpu, seen),
        "anonymous": account.anonymous,
        "loader": seen.cpu / seen.seconds,
    }


def slow(running: Running, scale: Scale) -> Figures:
    """Many devices take an artifact from the cache at 20 KiB a second."""
    _fill(running)
    place = running.laboratory.network.gateway
    ramp, hold = scale.slow / 200, 20.0
    with running.accounted() as before:
        pass
    with running.accounted() as account:
        devices = running.fetch(
            devices=scale.slow,
            spacing=1 / 200,
            rate=_SLOW_RATE,
            receive=_SLOW_RECEIVE,
            seconds=ramp + hold,
        )
        time.sleep(ramp + hold / 2)
        cpu, began = cpu_seconds(place), time.monotonic()
        time.sleep(hold / 4)
        steady = (cpu_seconds(place) - cpu) / (time.monotonic() - began)
        seen = outcome(devices)
    # Nobody is done when the time is up: how many were served well shows in their bytes.
    due = scale.slow * _SLOW_RATE * (hold + ramp / 2)
    return {
        "done": min(1 - seen.failed / scale.slow, seen.bytes / due),
        "device_kib": (account.anonymous - before.anonymous) * 1024 / scale.slow,
        "anonymous": account.anonymous,
        "tcp": account.tcp,
        "steady_cpu": steady * 100,
        "ramp_cpu": account.cpu,
    }


def kept(running: Running, scale: Scale) -> Figures:
    """Eight devices poll again and again, each on its connection."""
    return _polls(running, devices=8, requests=scale.requests // 8)


def new(running: Running, scale: Scale) -> Figures:
    """Eight devices poll again and again, with a new connection for each request."""
    return _polls(running, devices=8, requests=scale.requests // 8 // 2, close=True)


def paced(running: Running, scale: Scale) -> Figures:
    """A hundred devices a second poll, each with a new connection."""
    return _polls(running, devices=min(1000, scale.requests // 2), spacing=0.01, close=True)


def _polls(running: Running, **options: object) -> Figures:
    # Connections to the origin are made before, and code that runs often is warm.
    _all_good(running.poll(devices=8, requests=25), 200)
    with running.accounted() as account:
        seen = running.poll(**options)
    _all_good(seen, seen.good + seen.failed)
    return {
        "cpu_request": account.cpu / seen.good * 1000,
        "p50": seen.last_p50 * 1000,
        "p99": seen.last_p99 * 1000,
        "anonymous": account.anonymous,
        "loader": seen.cpu / seen.seconds,
    }


def _fill(running: Running) -> None:
    running.laboratory.network.widen()
    _all_good(outcome(running.fetch()), 1)


def _per_gib(cpu: float, seen: Outcome) -> float:
    if not seen.bytes:
        raise RuntimeError(f"no device got anything: {seen.failure}")
    return cpu / (seen.bytes / _GIB)


def _all_good(seen: Outcome, count: int) -> None:
    if seen.good != count:
        raise RuntimeError(f"{count - seen.good} of {count} answers were bad: {seen.failure}")


@attrs.frozen
class Scenario:
    """
    One thing to measure.

    :param name: how tables and files call it.
    :param kind: of the devices' connections: ``plain``, ``tls`` or ``mutual``.
    :param measure: what is done; its docstring is the table's heading.
    :param cost: the figure to compare servers by.
    :param artifact: whether it is an artifact that devices ask for.
    """

    name: str
    kind: str
    measure: Callable[[Running, Scale], Figures]
    cost: str
    artifact: bool = True

    @property
    def title(self) -> str:
        """Say in a sentence what is done."""
        return (self.measure.__doc__ or "").strip()


SCENARIOS = (
    Scenario("cold, plain", "plain", cold, "cpu_gib"),
    Scenario("cold, TLS", "tls", cold, "cpu_gib"),
    Scenario("late, plain", "plain", late, "last"),
    Scenario("late, TLS", "tls", late, "last"),
    Scenario("warm, plain", "plain", warm, "cpu_gib"),
    Scenario("warm, TLS", "tls", warm, "cpu_gib"),
    Scenario("slow, plain", "plain", slow, "tcp"),
    Scenario("slow, TLS", "tls", slow, "tcp"),
    Scenario("kept connection, plain", "plain", kept, "cpu_request", artifact=False),
    Scenario("kept connection, TLS", "tls", kept, "cpu_request", artifact=False),
    Scenario("new connections, TLS", "tls", new, "cpu_request", artifact=False),
    Scenario("new connections, mutual TLS", "mutual", new, "cpu_request", artifact=False),
    Scenario("100 a second, TLS", "tls", paced, "p99", artifact=False),
)
QUICK_SCENARIOS = tuple(
    scenario
    for scenario in SCENARIOS
    if scenario.name
    in ("warm, plain", "warm, TLS", "kept connection, plain", "new connections, TLS")
)
