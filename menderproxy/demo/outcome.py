"""How the demo went: what each device got, and what that cost the WAN."""

from __future__ import annotations

import attrs


@attrs.frozen
class DeviceOutcome:
    """
    What one device got.

    :param first_byte: seconds from its request to the first byte; ``None`` if none came.
    :param intact: whether the checksum is the artifact's.
    """

    name: str
    received: int
    first_byte: float | None
    seconds: float | None
    intact: bool


@attrs.frozen
class SceneOutcome:
    """
    How a scene went.

    :param artifact_bytes: the artifact's length.
    :param wan_bytes: what the store sent for it.
    :param link: a local link to the artifact, signed by the gateway, if a device got one.
    """

    title: str
    artifact_bytes: int
    wan_bytes: int
    devices: tuple[DeviceOutcome, ...]
    link: str | None = attrs.field(repr=False)

    @property
    def device_bytes(self) -> int:
        """What all devices got together."""
        return sum(device.received for device in self.devices)

    @property
    def kept_promise(self) -> bool:
        """Whether each device got the right bytes, and the WAN carried them once."""
        intact = all(device.intact for device in self.devices)
        return intact and self.wan_bytes == self.artifact_bytes
