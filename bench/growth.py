"""Scenarios of growth: the same with ever more devices, or ever longer artifacts."""

from __future__ import annotations

from functools import partial

from bench.downloads import drip
from bench.laboratory import Running
from bench.scenario import Curve, Figures, Scale, Scenario, check, fill, per_gib
from bench.servers.gateway import GATEWAY
from bench.servers.nginx import NGINX

DEVICES = Curve("growth, devices", "devices", ("cpu_device", "anonymous"))
SLOW_DEVICES = Curve("growth, slow devices", "devices", ("anonymous", "tcp"))
SIZES = Curve("growth, artifact", "MiB", ("cpu_gib", "anonymous"))
CURVES = (DEVICES, SLOW_DEVICES, SIZES)

_SMALL_ARTIFACT = 1
_SLOW_ARTIFACT = 64
_MIB_IN_ALL = 1024


def _devices(running: Running, scale: Scale, number: int) -> Figures:
    artifact = running.laboratory.origin.sized(_SMALL_ARTIFACT)
    fill(running, artifact)
    with running.accounted() as account:
        seen = running.fetched(artifact, devices=number, spacing=1 / 1000)
    check(seen, number)
    return {
        "cpu_device": account.cpu / number * 1000,
        "anonymous": account.anonymous,
        "tcp": account.tcp,
        "took": seen.seconds,
        "loader": seen.cpu / seen.seconds,
    }


def _slow_devices(running: Running, scale: Scale, number: int) -> Figures:
    artifact = running.laboratory.origin.sized(_SLOW_ARTIFACT)
    return drip(running, artifact, number, arrivals=250, hold=6.0)


def _size(running: Running, scale: Scale, mebibytes: int) -> Figures:
    artifact = running.laboratory.origin.sized(mebibytes)
    times = max(1, _MIB_IN_ALL // mebibytes)
    with running.accounted() as filling:
        fill(running, artifact)
    with running.accounted() as account:
        seen = running.fetched(artifact, requests=times)
    check(seen, times)
    return {
        "cpu_gib": per_gib(account.cpu, seen),
        "fill_cpu_gib": filling.cpu / mebibytes * 1024,
        "anonymous": max(filling.anonymous, account.anonymous),
        "loader": seen.cpu / seen.seconds,
    }


GROWTH = (
    *(
        Scenario(
            f"{DEVICES.name}, {number}",
            "tls",
            partial(_devices, number=number),
            "cpu_device",
            title="So many devices, a thousand a second, each download 1 MiB from the cache.",
            only=(GATEWAY.name, NGINX.name),
            curve=DEVICES,
            at=number,
        )
        for number in (10, 100, 1000, 5000)
    ),
    *(
        Scenario(
            f"{SLOW_DEVICES.name}, {number}",
            "tls",
            partial(_slow_devices, number=number),
            "device_kib",
            title="So many devices take an artifact from the cache at 20 KiB a second.",
            only=(GATEWAY.name,),
            curve=SLOW_DEVICES,
            at=number,
        )
        for number in (100, 1000, 5000)
    ),
    *(
        Scenario(
            f"{SIZES.name}, {mebibytes}",
            "plain",
            partial(_size, mebibytes=mebibytes),
            "cpu_gib",
            title=(
                "One device downloads an artifact of so many MiB again and again from the cache,"
                " 1 GiB in all at least."
            ),
            only=(GATEWAY.name, NGINX.name) if mebibytes <= _MIB_IN_ALL else (GATEWAY.name,),
            curve=SIZES,
            at=mebibytes,
            large=mebibytes > _MIB_IN_ALL,
        )
        for mebibytes in (1, 64, 1024, 10240)
    ),
)
