"""Scenarios of devices that ask the Mender Server for something small, and of those that don't."""

from __future__ import annotations

import time

from bench.accounting import anonymous_mib, rss_mib
from bench.devices import outcome
from bench.laboratory import Running
from bench.scenario import Figures, Scale, Scenario, check

_SETTLED = 1.0


def kept(running: Running, scale: Scale) -> Figures:
    """Eight devices poll again and again, each on its connection."""
    return _polls(running, devices=8, requests=scale.requests // 8)


def new(running: Running, scale: Scale) -> Figures:
    """Eight devices poll again and again, with a new connection for each request."""
    return _polls(running, devices=8, requests=scale.requests // 8 // 2, close=True)


def paced(running: Running, scale: Scale) -> Figures:
    """A hundred devices a second poll, each with a new connection."""
    return _polls(running, devices=min(1000, scale.requests // 2), spacing=0.01, close=True)


def idle(running: Running, scale: Scale) -> Figures:
    """A server that has just started; then devices that keep connections after one poll each."""
    place = running.laboratory.network.gateway
    time.sleep(_SETTLED)
    resident = rss_mib(place)
    _warm_up(running)
    before, ramp = anonymous_mib(place), scale.idle / 200
    fleet = running.start_polls(devices=scale.idle, spacing=1 / 200, hold=3 * _SETTLED)
    time.sleep(ramp + 2 * _SETTLED)
    occupied = anonymous_mib(place) - before
    seen = outcome(fleet)
    check(seen, scale.idle)
    if seen.seconds > ramp + 2 * _SETTLED:
        raise RuntimeError(f"{scale.idle} polls took {seen.seconds:.1f} s")
    return {
        "start": running.start,
        "rss": resident,
        "connection_kib": occupied * 1024 / scale.idle,
    }


def _warm_up(running: Running) -> None:
    """Have connections to the origin made, and code that runs often run a few times."""
    check(running.poll(devices=8, requests=25), 200)


def _polls(running: Running, **options: object) -> Figures:
    _warm_up(running)
    with running.accounted() as account:
        seen = running.poll(**options)
    check(seen, seen.good + seen.failed)
    return {
        "cpu_request": account.cpu / seen.good * 1000,
        "p50": seen.last_p50 * 1000,
        "p99": seen.last_p99 * 1000,
        "anonymous": account.anonymous,
        "loader": seen.cpu / seen.seconds,
    }


DEVICE_API = (
    Scenario("kept connection, plain", "plain", kept, "cpu_request", artifact=False),
    Scenario("kept connection, TLS", "tls", kept, "cpu_request", artifact=False),
    Scenario("new connections, TLS", "tls", new, "cpu_request", artifact=False),
    Scenario("new connections, mutual TLS", "mutual", new, "cpu_request", artifact=False),
    Scenario("100 a second, TLS", "tls", paced, "p99", artifact=False),
    Scenario("idle, TLS", "tls", idle, "rss", artifact=False),
)
