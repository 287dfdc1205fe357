"""Scenarios of devices that download an artifact."""

from __future__ import annotations

import time

from bench.accounting import anonymous_mib, cpu_seconds
from bench.devices import outcome
from bench.laboratory import Running
from bench.origin import Artifact
from bench.scenario import Figures, Scale, Scenario, check, fill, per_gib

_SLOW_RATE = 20 << 10
_SLOW_RECEIVE = 32 << 10
# The origin notes a request at its end, also of one that nobody waits for any more.
_LATE_NOTES = 0.5
# For what a server does after the last byte: checks, syncs, renames.
_AFTERWARDS = 1.0


def upstream(running: Running, scale: Scale) -> Figures:
    """One device asks for an artifact that is in no cache, and the uplink is as fast as can be."""
    running.laboratory.network.widen()
    with running.accounted() as account:
        seen = running.fetched()
        time.sleep(_AFTERWARDS)
    check(seen, 1)
    return {
        "cpu_gib": per_gib(account.cpu, seen),
        "took": seen.seconds,
        "anonymous": account.anonymous,
        "loader": seen.cpu / seen.seconds,
    }


def cold(running: Running, scale: Scale) -> Figures:
    """All devices ask for an artifact that is in no cache, at the same moment."""
    laboratory = running.laboratory
    laboratory.network.narrow(scale.megabits)
    limit = 6 * scale.uplink_seconds
    with running.accounted() as account:
        seen = running.fetched(devices=scale.cold, seconds=limit)
    laboratory.network.gateway.empty()
    time.sleep(_LATE_NOTES)
    requests, sent = laboratory.origin.uplink()
    return {
        "done": seen.good / scale.cold,
        "uplink": sent / scale.length,
        "uplink_requests": requests,
        "first_p50": seen.first_p50,
        "first_p99": seen.first_p99,
        "last": seen.seconds / scale.uplink_seconds,
        "cpu_gib": per_gib(account.cpu, seen),
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
    late_one = running.fetched(seconds=6 * scale.uplink_seconds)
    early_one = outcome(early)
    laboratory.network.gateway.empty()
    time.sleep(_LATE_NOTES)
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
    fill(running)
    with running.accounted() as account:
        seen = running.fetched(devices=scale.warm)
    check(seen, scale.warm)
    return {
        "cpu_gib": per_gib(account.cpu, seen),
        "anonymous": account.anonymous,
        "loader": seen.cpu / seen.seconds,
    }


def slow(running: Running, scale: Scale) -> Figures:
    """Many devices take an artifact from the cache at 20 KiB a second."""
    return drip(running, None, scale.slow, arrivals=200, hold=12.0)


def drip(
    running: Running, artifact: Artifact | None, devices: int, arrivals: float, hold: float
) -> Figures:
    """
    Let slow devices come one after the other, and stay for a while.

    :param arrivals: so many come a second.
    :param hold: seconds from the last arrival to the end.
    """
    fill(running, artifact)
    place = running.laboratory.network.gateway
    ramp, before = devices / arrivals, anonymous_mib(place)
    with running.accounted() as account:
        fleet = running.fetch(
            artifact,
            devices=devices,
            spacing=1 / arrivals,
            rate=_SLOW_RATE,
            receive=_SLOW_RECEIVE,
            seconds=ramp + hold,
        )
        time.sleep(ramp + hold / 2)
        cpu, began = cpu_seconds(place), time.monotonic()
        time.sleep(hold / 4)
        steady = (cpu_seconds(place) - cpu) / (time.monotonic() - began)
        seen = outcome(fleet)
    # Nobody is done when the time is up: how many were served well shows in their bytes.
    due = devices * _SLOW_RATE * (hold + ramp / 2)
    return {
        "done": min(1 - seen.failed / devices, seen.bytes / due),
        "device_kib": (account.anonymous - before) * 1024 / devices,
        "anonymous": account.anonymous,
        "tcp": account.tcp,
        "steady_cpu": steady * 100,
        "ramp_cpu": account.cpu,
        "loader": seen.cpu / seen.seconds,
    }


DOWNLOADS = (
    Scenario("upstream", "plain", upstream, "cpu_gib"),
    Scenario("cold, plain", "plain", cold, "cpu_gib", steady=True),
    Scenario("cold, TLS", "tls", cold, "cpu_gib", steady=True),
    Scenario("late, plain", "plain", late, "last", steady=True),
    Scenario("late, TLS", "tls", late, "last", steady=True),
    Scenario("warm, plain", "plain", warm, "cpu_gib"),
    Scenario("warm, TLS", "tls", warm, "cpu_gib"),
    Scenario("slow, plain", "plain", slow, "tcp"),
    Scenario("slow, TLS", "tls", slow, "tcp"),
)
