"""All that can go wrong, and how it is made to."""

from __future__ import annotations

import signal
from random import Random

from twisted.internet.task import deferLater

from bench.soak.chaos import Mishap
from bench.soak.door import Door
from bench.soak.names import Mood
from bench.soak.plant import TYPES, Plant
from bench.soak.reluctance import Refusal
from bench.soak.strangers import crowd_in
from menderproxy.demo.faults import Cut, Fault, NoLength, Refuse, Stall, Whole

_DAY = 24 * 3600
_JUMPS = (-400 * _DAY, -2 * 3600, 7 * 60, 2 * 3600, 400 * _DAY)
_REFUSED_AT_MOST = 0.15


async def _wait(plant: Plant, seconds: float) -> None:
    await deferLater(plant.reactor, seconds)


async def _shut(plant: Plant, door: Door, seconds: float) -> None:
    await door.shut()
    await _wait(plant, seconds)
    door.open()


async def _hang(plant: Plant, door: Door, seconds: float) -> None:
    door.hang()
    await _wait(plant, seconds)
    door.go_on()


async def server_dies(plant: Plant, dice: Random) -> None:
    """The Mender Server is killed, and started again."""
    await _shut(plant, plant.server_door, dice.uniform(0.2, 8))


async def server_hangs(plant: Plant, dice: Random) -> None:
    """The Mender Server answers nothing for some time."""
    await _hang(plant, plant.server_door, dice.uniform(0.5, 9))


async def server_refuses(plant: Plant, dice: Random) -> str:
    """The Mender Server, or the balancer before it, has had enough."""
    status = dice.choice((429, 502, 503, 504))
    plant.reluctance.refusal = Refusal(status, dice.choice((None, 1, 3)))
    await _wait(plant, dice.uniform(0.5, 6))
    plant.reluctance.refusal = None
    return str(status)


async def store_dies(plant: Plant, dice: Random) -> None:
    """The store is killed, and started again."""
    await _shut(plant, plant.store_door, dice.uniform(0.2, 8))


async def store_hangs(plant: Plant, dice: Random) -> None:
    """The store answers nothing for some time, also in the middle of a body."""
    await _hang(plant, plant.store_door, dice.uniform(0.5, 9))


async def store_cuts(plant: Plant, dice: Random) -> None:
    """All connections to the store are cut, again and again."""
    for _ in range(dice.randint(1, 10)):
        plant.store_door.cut()
        await _wait(plant, dice.uniform(0.02, 0.5))


def _fault(dice: Random) -> Fault:
    size = int(dice.uniform(0, 4) * (1 << 20))
    refusals = (Refuse(500), Refuse(503, 1), Refuse(503), Refuse(429, 2), Refuse(403))
    return dice.choice((Cut(size), Cut(size), Stall(size), NoLength(), Whole(), *refusals))


async def store_fails(plant: Plant, dice: Random) -> str:
    """The next answers of the store are bad ones."""
    faults = [_fault(dice) for _ in range(dice.randint(1, 6))]
    plant.excuse_refusals()
    plant.store.faults += faults
    await _wait(plant, dice.uniform(2, 8))
    # Whatever is left of them would come when all has to be well.
    plant.store.faults.clear()
    return ", ".join(str(fault) for fault in faults)


async def artifact_changes(plant: Plant, dice: Random) -> str:
    """Somebody overwrites an artifact, one that is being downloaded if there is any."""
    wanted = sorted({device.device_type for device in plant.devices if device.is_installing})
    return plant.releases.overwrite(dice.choice(wanted or TYPES))


async def new_releases(plant: Plant, dice: Random) -> str:
    """New releases for some types of device at once."""
    types = dice.sample(TYPES, dice.randint(1, 4))
    return ", ".join(plant.publish(each) for each in types)


async def proxy_dies(plant: Plant, dice: Random) -> None:
    """The proxy on the way to the Mender Server is killed, and started again."""
    await _shut(plant, plant.proxy_door, dice.uniform(0.2, 8))


async def proxy_hangs(plant: Plant, dice: Random) -> None:
    """The proxy lets nothing through."""
    await _hang(plant, plant.proxy_door, dice.uniform(0.5, 9))


async def names_fail(plant: Plant, dice: Random) -> str:
    """The store's name can't be looked up, or leads astray."""
    mood = dice.choice([mood for mood in Mood if mood is not Mood.ANSWERS])
    plant.names.mood = mood
    # Connections that stand need no name.
    plant.store_door.cut()
    await _wait(plant, dice.uniform(1, 8))
    plant.names.mood = Mood.ANSWERS
    return f"the name server {mood.value}"


async def disk_full(plant: Plant, dice: Random) -> None:
    """Somebody else takes all the room on the disk."""
    plant.disk.fill()
    await _wait(plant, dice.uniform(1, 6))
    plant.disk.clear()


async def hang_up(plant: Plant, dice: Random) -> None:
    """SIGHUP, more than once."""
    for _ in range(dice.randint(1, 5)):
        plant.gateway.reload()
        await _wait(plant, dice.uniform(0, 0.3))


async def certificate_changes(plant: Plant, dice: Random) -> None:
    """The gateway gets a new certificate."""
    plant.show_new_certificate()
    if dice.random() < 0.5:
        plant.gateway.reload()


async def device_revoked(plant: Plant, dice: Random) -> str:
    """One more device is on the blacklist, or one less."""
    full = len(plant.refused) >= max(1, _REFUSED_AT_MOST * len(plant.devices))
    if plant.refused and (full or dice.random() < 0.4):
        device = dice.choice(sorted(plant.refused, key=lambda each: each.number))
        plant.pardon(device)
        return f"device {device.number} is pardoned"
    device = dice.choice([each for each in plant.devices if each not in plant.refused])
    plant.refuse(device)
    if dice.random() < 0.5:
        plant.gateway.reload()
    return f"device {device.number} is out"


async def clock_jumps(plant: Plant, dice: Random) -> str:
    """Somebody sets the gateway's clock, and sets it right again."""
    seconds = dice.choice(_JUMPS)
    plant.excuse_refusals()
    plant.clock.put(seconds)
    await _wait(plant, dice.uniform(2, 8))
    plant.clock.put(0)
    plant.excuse_refusals()
    return f"{seconds / 3600:+.1f} h"


async def gateway_freezes(plant: Plant, dice: Random) -> None:
    """The gateway gets no processor for some time."""
    plant.gateway.signal(signal.SIGSTOP)
    await _wait(plant, dice.uniform(0.2, 4))
    plant.gateway.signal(signal.SIGCONT)


async def strangers_come(plant: Plant, dice: Random) -> str:
    """Somebody scans the gateway's port, badly."""
    return await crowd_in(plant.reactor, plant.gateway_port, dice)


async def gateway_dies(plant: Plant, dice: Random) -> None:
    """The gateway is killed, and started again."""
    await plant.gateway.end(signal.SIGKILL)
    await _wait(plant, dice.uniform(0, 2))
    await plant.gateway.start()


async def gateway_restarts(plant: Plant, dice: Random) -> None:
    """The gateway is stopped as it should be, and started again."""
    await plant.gateway.end(signal.SIGTERM)
    await plant.gateway.start()


MISHAPS = (
    Mishap("the server dies", "server", 1, server_dies),
    Mishap("the server hangs", "server", 1, server_hangs),
    Mishap("the server refuses", "reluctance", 1, server_refuses),
    Mishap("the store dies", "store", 1.5, store_dies),
    Mishap("the store hangs", "store", 1.5, store_hangs),
    Mishap("the store's connections are cut", "store", 2, store_cuts),
    Mishap("the store fails", "faults", 3, store_fails),
    Mishap("an artifact changes", "artifact", 3, artifact_changes),
    Mishap("new releases", "releases", 4, new_releases),
    Mishap("the proxy dies", "proxy", 1, proxy_dies),
    Mishap("the proxy hangs", "proxy", 1, proxy_hangs),
    Mishap("names fail", "names", 1.5, names_fail),
    Mishap("the disk is full", "disk", 1.5, disk_full),
    Mishap("SIGHUP", "signal", 1, hang_up),
    Mishap("the certificate changes", "certificate", 1, certificate_changes),
    Mishap("the blacklist changes", "blacklist", 3, device_revoked),
    Mishap("the gateway freezes", "process", 0.7, gateway_freezes),
    Mishap("strangers come", "strangers", 1.5, strangers_come),
)
"""What happens all the time."""

CLOCK = Mishap("the clock jumps", "clock", 1.5, clock_jumps)
"""What needs a C compiler."""

ENDS = (
    Mishap("the gateway dies", "process", 2.5, gateway_dies),
    Mishap("the gateway is restarted", "process", 1, gateway_restarts),
)
"""What begins the gateway's life anew, and so ends all leaks."""
