"""Mutual TLS: what a gateway needs to let in devices with certificates, and no others."""

from __future__ import annotations

from pathlib import Path

import attrs

from .certificates import DeviceAuthority, DeviceCertificate, device_authority
from .processes import Reactor

SERVICE_USER = "gateway@e2e.test"
SERVICE_PASSWORD = "throw-away correct horse battery staple"


@attrs.frozen
class MutualTLS:
    """
    The gateway's settings; made by :func:`mutual_tls`.

    :param authority: vouches for devices.
    :param blacklist: file of serial numbers.
    :param same_key: whether certificates and requests for tokens must carry the same key.
    """

    authority: DeviceAuthority
    blacklist: Path
    same_key: bool = False

    def revoke(self, *certificates: DeviceCertificate) -> None:
        """Put these certificates, and no others, on the blacklist."""
        written = self.blacklist.with_suffix(".new")
        written.write_text("".join(f"{each.serial:X}\n" for each in certificates))
        written.rename(self.blacklist)

    @property
    def section(self) -> dict[str, object]:
        """The section ``Features.mTLS`` of the gateway's configuration."""
        return {
            "Enabled": True,
            "CACertificate": str(self.authority.path),
            "BlacklistPath": str(self.blacklist),
            "MenderUsername": SERVICE_USER,
            "MenderPassword": SERVICE_PASSWORD,
            "RequireSameKey": self.same_key,
        }


async def mutual_tls(reactor: Reactor, directory: Path, *, same_key: bool = False) -> MutualTLS:
    """
    Make an authority and an empty blacklist.

    :param directory: for their files; it is created.
    """
    authority = await device_authority(reactor, directory)
    settings = MutualTLS(authority, directory / "blacklist", same_key)
    settings.revoke()
    return settings
