"""What the demo shows: a cold download, a crowd, and a device that comes late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThreadPool

from menderproxy.demo.devices import Instructions, SimulatedDevice
from menderproxy.demo.network import Network
from menderproxy.demo.outcome import DeviceOutcome, SceneOutcome
from menderproxy.demo.screen import Screen

_REDRAW = 0.1
_LOOK = 0.01


@attrs.frozen
class Scene:
    """
    Some devices that are offered one artifact which the gateway has never seen.

    :param title: for people.
    :param device_type: of its devices, and of no other scene's.
    :param prompt: how many ask at once.
    :param late: how many ask when the first one has half of it.
    """

    title: str
    device_type: str
    prompt: int
    late: int = 0


def scenes(devices: int) -> tuple[Scene, ...]:
    """
    Give the scenes in their order.

    :param devices: how many make a crowd.
    """
    return (
        Scene("1 device, cold", "raspberrypi4", 1),
        Scene(f"{devices} devices at once", "beaglebone", devices),
        Scene("1 joins half-way", "qemux86-64", 1, late=1),
    )


async def play(
    scene: Scene, network: Network, screen: Screen, reactor: Any, size: int
) -> SceneOutcome:
    """
    Play one scene from its deployment to the last device's report.

    :param size: of the artifact in bytes.
    """
    stored = network.publish(f"{scene.device_type}-2.0", scene.device_type, size)
    expected = deferToThreadPool(reactor, reactor.getThreadPool(), stored.sha256)
    devices = [network.add_device(scene.device_type) for _ in range(scene.prompt + scene.late)]
    before = network.store.bytes_sent
    screen.begin(scene.title, devices, size, lambda: network.store.bytes_sent - before)
    redraw = LoopingCall(screen.draw)
    redraw.clock = reactor
    redraw.start(_REDRAW)
    try:
        installed = await _update_all(
            devices[: scene.prompt], devices[scene.prompt :], screen, reactor
        )
    finally:
        redraw.stop()
        screen.end()
    return SceneOutcome(
        scene.title,
        size,
        network.store.bytes_sent - before,
        tuple([_outcome(device, await expected) for device in devices]),
        next((done.uri for done in installed if done is not None), None),
    )


async def _update_all(
    prompt: Sequence[SimulatedDevice],
    late: Sequence[SimulatedDevice],
    screen: Screen,
    reactor: Any,
) -> list[Instructions | None]:
    updates = [Deferred.fromCoroutine(device.update()) for device in prompt]
    try:
        while late and not updates[0].called and not _has_half(prompt[0]):
            await deferLater(reactor, _LOOK)
        updates += [Deferred.fromCoroutine(device.update()) for device in late]
        # One by one, so that a cancelled demo cancels what it waits for, and stops there.
        return [
            await _result(device, update, screen)
            for device, update in zip([*prompt, *late], updates, strict=True)
        ]
    finally:
        for update in updates:
            update.addErrback(lambda _: None)
            update.cancel()


async def _result(
    device: SimulatedDevice, update: Deferred[Instructions | None], screen: Screen
) -> Instructions | None:
    try:
        return await update
    except (CancelledError, ConnectingCancelledError):
        raise CancelledError from None
    except Exception as error:
        screen.say(f"{device.mac} failed: {error}")
        return None


def _has_half(device: SimulatedDevice) -> bool:
    download = device.download
    return (
        download is not None
        and download.total is not None
        and download.received >= download.total / 2
    )


def _outcome(device: SimulatedDevice, expected: str) -> DeviceOutcome:
    download = device.download
    if download is None:
        return DeviceOutcome(device.mac, 0, None, None, intact=False)
    return DeviceOutcome(
        device.mac,
        download.received,
        download.first_byte,
        download.seconds,
        intact=download.sha256 == expected,
    )
