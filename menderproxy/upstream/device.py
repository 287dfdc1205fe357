"""A device as the Mender Server knows it: the keys it came with, and what became of each."""

from __future__ import annotations

import re
from typing import Any

import attrs

from menderproxy.upstream.errors import UpstreamError
from menderproxy.wire.auth_request import key_of

_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


@attrs.frozen
class AuthSet:
    """
    One key that a device has shown to the Mender Server, and what became of it.

    :param key_hash: SHA-256 as in :class:`menderproxy.wire.auth_request.AuthRequest`; ``None``
        for a key that we can't read.
    :param status: ``pending``, ``preauthorized``, ``accepted`` or ``rejected``.
    """

    id: str
    key_hash: bytes | None
    status: str


@attrs.frozen
class Device:
    """
    A device as the Mender Server knows it.

    :param decommissioning: it is being removed, and nothing helps it until that is done.
    """

    id: str
    decommissioning: bool
    auth_sets: tuple[AuthSet, ...]

    @classmethod
    def parse(cls, fields: dict[str, Any]) -> Device:
        """
        Read the JSON of a device.

        :raises UpstreamError: it is none.
        """
        try:
            return cls(
                _id(fields["id"]),
                fields.get("decommissioning") is True,
                tuple(
                    AuthSet(_id(each["id"]), key_of(each["pubkey"]), str(each["status"]))
                    for each in fields.get("auth_sets") or ()
                ),
            )
        except (KeyError, TypeError, ValueError):
            raise UpstreamError("the Mender Server describes a device in a way unknown") from None


def _id(value: object) -> str:
    """Take an id only if it can stand in a path."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("not an id")
    return value
