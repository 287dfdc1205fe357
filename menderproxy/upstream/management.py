"""The calls of the Mender Server's management API that let a device in."""

from __future__ import annotations

import json
from typing import Any

import attrs
from treq.client import HTTPClient
from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from menderproxy.upstream.control import Busy, pause_asked
from menderproxy.upstream.device import Device
from menderproxy.upstream.errors import UpstreamError
from menderproxy.upstream.session import Session
from menderproxy.upstream.turns import Turns

DEVICES = "/api/management/v2/devauth/devices"

AT_ONCE = 16
LONGEST_QUEUE = 2048
LONGEST_WAIT = 20.0
BETWEEN_REMINDERS = 3600.0

_PAUSE = "the Mender Server asks for a pause"


class NotPermitted(UpstreamError):
    """The service user may not do this."""


class NotAcceptable(UpstreamError):
    """The Mender Server takes the identity or the key for malformed."""


@attrs.frozen
class Created:
    """The device's key is preauthorized now."""


@attrs.frozen
class Existing:
    """
    Nothing was changed, as the Mender Server knows the device already.

    :param device: ``None`` when the Mender Server doesn't show it to us.
    """

    device: Device | None


class Management:
    """
    Makes the calls: 16 at once, none while the Mender Server asks for a pause.

    Each call raises :class:`UpstreamError` when the Mender Server can't be reached, fails, or
    has too much to do (:class:`Busy`), and when our own token is refused.
    """

    log = Logger()

    def __init__(self, client: HTTPClient, session: Session, clock: IReactorTime):
        self._client = client
        self._session = session
        self._clock = clock
        self._turns = Turns(AT_ONCE)
        self._pause_end = 0.0
        self._reminded: dict[str, float] = {}

    async def preauthorize(
        self, identity: dict[str, object], pubkey: str, force: bool = False
    ) -> Created | Existing:
        """
        Let a device in as soon as it asks with this key.

        :param force: even if the device is known. That takes a live token from this key, and
            overrules whoever rejected it. Servers before 4.0 ignore it.
        :raises NotPermitted: we may not.
        :raises NotAcceptable: the Mender Server doesn't take such an identity, or such a key.
        """
        wish: dict[str, object] = {"identity_data": identity, "pubkey": pubkey}
        if force:
            wish["force"] = True
        response = await self._call("preauthorize devices", "POST", DEVICES, json=wish)
        match response.code:
            case 201:
                return Created()
            case 409:
                return Existing(await self._existing(response))
            case 400 | 422:
                raise NotAcceptable(f"the Mender Server doesn't take it ({response.code})")
        raise _unexpected("POST", DEVICES, response)

    async def accept(self, device_id: str, auth_set_id: str) -> bool:
        """
        Accept a pending key, as a human would.

        :returns: ``False`` when we may not, or the Mender Server won't.
        """
        path = f"{DEVICES}/{device_id}/auth/{auth_set_id}/status"
        try:
            response = await self._call("accept devices", "PUT", path, json={"status": "accepted"})
        except NotPermitted:
            return False
        return response.code in (200, 204)

    async def _existing(self, conflict: IResponse) -> Device | None:
        """
        Find out about the device that stands in the way.

        Real servers leave its auth sets out of the conflict (``null``), whatever their
        description of it says, and very old ones leave out the device.
        """
        fields = await _fields(conflict)
        if "id" not in fields:
            return None
        if fields.get("auth_sets") is not None:
            return Device.parse(fields)
        path = f"{DEVICES}/{Device.parse(fields).id}"
        try:
            response = await self._call("read devices", "GET", path)
        except NotPermitted:
            return None
        if response.code != 200:
            raise _unexpected("GET", path, response)
        return Device.parse(await _fields(response))

    async def _call(self, purpose: str, method: str, path: str, **options: Any) -> IResponse:
        self._keep_pause()
        await self._turn()
        try:
            response = await self._send(method, path, options)
            pause = pause_asked(response)
            if pause is not None:
                # Before the next call, which takes the turn at once.
                self._pause_end = max(self._pause_end, self._clock.seconds() + pause)
        finally:
            self._turns.give_back()
        if pause is not None:
            raise Busy(_PAUSE, pause)
        if response.code == 403:
            self._remind(purpose)
            raise NotPermitted(f"the service user may not {purpose} (403)")
        if response.code >= 500:
            raise _unexpected(method, path, response)
        return response

    async def _send(self, method: str, path: str, options: dict[str, Any]) -> IResponse:
        for _ in range(2):
            token = await self._session.token()
            self._keep_pause()
            headers = Headers({"Authorization": [f"Bearer {token}"]})
            response = await self._client.request(method, path, headers=headers, **options)
            if response.code != 401:
                return response
            self._session.refused(token)
        raise _unexpected(method, path, response)

    async def _turn(self) -> None:
        if self._turns.waiting >= LONGEST_QUEUE:
            raise Busy("too many devices at once", LONGEST_WAIT)
        turn = self._turns.take()
        turn.addTimeout(LONGEST_WAIT, self._clock)
        try:
            await turn
        except TimeoutError:
            raise Busy("the Mender Server is slow", LONGEST_WAIT) from None

    def _keep_pause(self) -> None:
        left = self._pause_end - self._clock.seconds()
        if left > 0:
            raise Busy(_PAUSE, left)

    def _remind(self, purpose: str) -> None:
        now = self._clock.seconds()
        if now >= self._reminded.get(purpose, 0.0):
            self._reminded[purpose] = now + BETWEEN_REMINDERS
            self.log.error(
                "the Mender Server does not permit the service user to {purpose} (403): "
                "its role lacks a permission below {path}",
                purpose=purpose,
                path=DEVICES,
            )


def _unexpected(method: str, path: str, response: IResponse) -> UpstreamError:
    return UpstreamError(f"the Mender Server answers {response.code} to {method} {path}")


async def _fields(response: Any) -> dict[str, Any]:
    try:
        fields = json.loads(await response.content())
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise UpstreamError(f"the Mender Server's answer ({response.code}) is no JSON object")
    return fields
