"""Inventories that devices report: the attributes of their system are added on the way."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from twisted.logger import Logger

from menderproxy.config.features import DeviceSystem
from menderproxy.upstream.recent import Recent
from menderproxy.web.forward import DeviceProxy, MenderServer
from menderproxy.web.request import GatewayRequest
from menderproxy.wire.compression import gunzip
from menderproxy.wire.device_token import bearer_token, device_id
from menderproxy.wire.inventory import (
    MOST_BYTES,
    SYSTEM_ID,
    Attributes,
    add_attributes,
    attribute_names,
)

MOST_WARNED = 1000
MOST_REMEMBERED = 10_000


class InventoryProxy(DeviceProxy):
    """
    Forwards inventories with the system's identifier and the default attributes.

    Whatever is not understood (another method, no list, an unknown encoding) goes on as it came.

    PUT replaces all that a device reported before; PATCH sets what it names and keeps the rest.
    Microcontrollers PUT everything once, and later PATCH only what changes: so the names that a
    device has reported itself are remembered, lest a default override its own value then.

    :param system: what to add.
    """

    log = Logger()

    def __init__(self, reactor: Any, mender: MenderServer, stall: float, system: DeviceSystem):
        super().__init__(reactor, mender, stall)
        identifier: Attributes = {SYSTEM_ID: system.system_id} if system.system_id else {}
        defaults: Attributes = {each.name: each.value for each in system.default_inventory}
        # The identifier is first: defaults give way to it where there is little room.
        self._attributes: Attributes = {**identifier, **defaults}
        self._own: Recent[frozenset[str]] = Recent(MOST_REMEMBERED)
        self._warned: set[str] = set()

    async def proxy(self, request: GatewayRequest) -> None:
        """Forward one inventory, completed."""
        answer = await self.ask(request, body=self._completed(request))
        await self.respond(request, answer)

    def _completed(self, request: GatewayRequest) -> bytes | None:
        """The body to send instead of the device's own, if another one is needed."""
        if request.method not in (b"PUT", b"PATCH"):
            return None
        try:
            reported = _plain_body(request)
            completed = add_attributes(reported, self._missing(request, reported))
        except ValueError as error:
            # What is wrong with it the server knows best how to say.
            self.log.debug("an inventory goes on as it came: {error}", error=error)
            return None
        if completed.left_out:
            self._warn(request.device_address, completed.left_out)
        return None if completed.body == reported else completed.body

    def _missing(self, request: GatewayRequest, reported: bytes) -> Attributes:
        """What a device has not reported itself, now or earlier."""
        device = _device(request)
        own = attribute_names(reported) & self._attributes.keys()
        if request.method == b"PATCH":
            own |= self._own.get(device) or frozenset()
        self._own.pop(device)
        if own:
            self._own.put(device, own)
        return {name: self._attributes[name] for name in self._attributes if name not in own}

    def _warn(self, device: str, left_out: tuple[str, ...]) -> None:
        if device not in self._warned and len(self._warned) < MOST_WARNED:
            self._warned.add(device)
            self.log.warn(
                "the inventory of {device} is as long as the Mender Server takes it: "
                "no room to add {names}",
                device=device,
                names=", ".join(left_out),
            )


def _device(request: GatewayRequest) -> bytes:
    """Something that tells devices apart."""
    token = bearer_token(request.authorization)
    if token is None:
        return sha256(request.device_address.encode("ascii")).digest()
    device = device_id(token)
    return sha256(token if device is None else device.encode("utf-8", "surrogatepass")).digest()


def _plain_body(request: GatewayRequest) -> bytes:
    """
    Give the body without compression.

    :raises ValueError: it can't be read.
    """
    encoding = b",".join(request.values(b"content-encoding")).lower()
    if encoding in (b"", b"identity"):
        return request.body
    if encoding in (b"gzip", b"x-gzip"):
        return gunzip(request.body, MOST_BYTES)
    raise ValueError("an unknown Content-Encoding")
