"""The management API as far as a gateway needs it: log in, preauthorize, look, decide."""

from __future__ import annotations

import enum
import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

import attrs
from twisted.web import http, server

from menderproxy.demo import go_json
from menderproxy.demo.auth_sets import AuthSet, AuthStatus
from menderproxy.demo.faults import Refuse
from menderproxy.demo.fleet import DemoDevice, Fleet, TooManyDevices
from menderproxy.demo.json_body import check_content_type, parse
from menderproxy.demo.preauth_requests import PreauthRequest
from menderproxy.demo.problem import Problem
from menderproxy.demo.routing import Route, find_route
from menderproxy.demo.sessions import Sessions, TooManyLogins, WrongCredentials
from menderproxy.demo.tokens import bearer_token

_DEVICES = "/api/management/v2/devauth/devices"

#: From which statuses a human's decision can move a key to another.
_REACHABLE_FROM = {
    AuthStatus.ACCEPTED: {AuthStatus.PENDING, AuthStatus.REJECTED},
    AuthStatus.PENDING: {AuthStatus.ACCEPTED, AuthStatus.REJECTED},
    AuthStatus.REJECTED: {AuthStatus.ACCEPTED, AuthStatus.PENDING},
}


class Permission(enum.StrEnum):
    """What a role may allow its users to do, by the route that does it."""

    PREAUTHORIZE = "preauthorize"
    SHOW = "show"
    SET_STATUS = "set_status"


_ROUTES = (
    Route("log_in", frozenset({"POST"}), re.compile("/api/management/v1/useradm/auth/login")),
    Route(Permission.PREAUTHORIZE, frozenset({"POST"}), re.compile(_DEVICES)),
    Route(Permission.SHOW, frozenset({"GET"}), re.compile(rf"{_DEVICES}/(?P<device_id>[^/]+)")),
    Route(
        Permission.SET_STATUS,
        frozenset({"PUT"}),
        re.compile(rf"{_DEVICES}/(?P<device_id>[^/]+)/auth/(?P<auth_set_id>[^/]+)/status"),
    ),
)


@attrs.define
class ManagementCall:
    """
    A call, and how it ended.

    :param path: the raw target, with its query.
    :param caller: as :meth:`Sessions.caller` names it; ``None`` for a login or a stranger.
    :param status: of the answer.
    """

    method: str
    path: str
    caller: str | None = None
    status: int = 0


@attrs.define
class Management:
    """
    Answers who manages devices.

    All but the first three can be changed at any time.

    :param seconds: tells the time in seconds since the epoch.
    :param permissions: of all users alike.
    :param legacy: whether to ignore ``force``, as servers before 4.0 do.
    :param conflict_auth_sets: whether the device in the 409 of a preauthorization comes with its
        keys. The open-source servers 4.0 and 4.1 do not look them up and write ``null``.
    :param faults: the next calls are answered with these, one each.
    :param calls: what was asked, oldest first.
    """

    fleet: Fleet
    sessions: Sessions
    seconds: Callable[[], float]
    permissions: frozenset[Permission] = frozenset(Permission)
    legacy: bool = False
    conflict_auth_sets: bool = False
    faults: list[Refuse] = attrs.field(factory=list)
    calls: list[ManagementCall] = attrs.field(factory=list)

    def answer(
        self, request: server.Request, method: str, target: str, body: bytes
    ) -> bytes | None:
        """
        Answer one call.

        :return: the body, or ``None`` for a 204.
        :raises Problem: for an error answer.
        """
        call = ManagementCall(method, target)
        self.calls.append(call)
        try:
            answer = self._answer(request, call, body)
        except Problem as problem:
            call.status = problem.status
            raise
        call.status = http.NO_CONTENT if answer is None else request.code
        return answer

    def _answer(self, request: server.Request, call: ManagementCall, body: bytes) -> bytes | None:
        if self.faults:
            fault = self.faults.pop(0)
            raise Problem(fault.status, "out of order", retry_after=fault.retry_after)
        route, found = find_route(_ROUTES, call.method, call.path.partition("?")[0])
        check_content_type(request)
        if route.name == "log_in":
            return self._log_in(request, body)
        token = bearer_token(request.getHeader(b"authorization"))
        call.caller = self.sessions.caller(token, self.seconds())
        if call.caller is None:
            raise Problem(http.UNAUTHORIZED, "unauthorized")
        if route.name not in self.permissions:
            raise Problem(http.FORBIDDEN, "access denied (RBAC)")
        answer: Callable[..., bytes | None] = getattr(self, f"_{route.name}")
        return answer(request, body, **found)

    def _log_in(self, request: server.Request, body: bytes) -> bytes:
        options = parse(body) if body else {}
        no_expiry = options.get("no_expiry", False) if isinstance(options, dict) else None
        if not isinstance(no_expiry, bool):
            raise Problem(http.BAD_REQUEST, "malformed login options")
        email = request.getUser().decode(errors="replace")
        password = request.getPassword().decode(errors="replace")
        try:
            token = self.sessions.log_in(email, password, self.seconds(), expires=not no_expiry)
        except WrongCredentials:
            raise Problem(http.UNAUTHORIZED, "unauthorized") from None
        except TooManyLogins as error:
            message = "too many requests"
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS, message, retry_after=error.retry_after
            ) from None
        request.setHeader(b"content-type", b"application/jwt")
        return token.encode()

    def _preauthorize(self, request: server.Request, body: bytes) -> bytes:
        try:
            asked = PreauthRequest.parse(body)
        except ValueError as error:
            raise Problem(http.BAD_REQUEST, f"failed to decode preauth request: {error}") from None
        known = self.fleet.devices.get(asked.identity)
        if known is not None and (self.legacy or not asked.force):
            return self._conflict(request, known)
        device = self.fleet.meet(asked.identity)
        device.auth_sets.preauthorize(asked.pubkey, self.seconds())
        # Like the real one: an id is made up for each request, and only a new device gets it.
        location = device.id if known is None else str(uuid.uuid4())
        request.setResponseCode(http.CREATED)
        request.setHeader(b"location", f"devices/{location}".encode())
        return b""

    def _conflict(self, request: server.Request, device: DemoDevice) -> bytes:
        document = _device_document(device)
        if not self.conflict_auth_sets:
            document["auth_sets"] = None
        return go_json.respond(request, http.CONFLICT, document)

    def _show(self, request: server.Request, body: bytes, device_id: str) -> bytes:
        return go_json.respond(request, http.OK, _device_document(self._device(device_id)))

    def _set_status(
        self, request: server.Request, body: bytes, device_id: str, auth_set_id: str
    ) -> None:
        wanted = _wanted_status(body)
        device = self._device(device_id)
        auth_set = device.auth_sets.with_id(auth_set_id)
        if auth_set is None:
            raise Problem(http.NOT_FOUND, "authorization set not found")
        if auth_set.status is wanted:
            return
        if auth_set.status not in _REACHABLE_FROM[wanted]:
            raise Problem(http.BAD_REQUEST, "dev auth: bad request")
        if wanted is AuthStatus.ACCEPTED:
            self._accept(device, auth_set)
        else:
            auth_set.status = wanted

    def _accept(self, device: DemoDevice, auth_set: AuthSet) -> None:
        try:
            self.fleet.accept(device, auth_set)
        except TooManyDevices:
            message = "maximum number of accepted devices reached"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, message) from None

    def _device(self, device_id: str) -> DemoDevice:
        device = self.fleet.with_id(device_id)
        if device is None:
            raise Problem(http.NOT_FOUND, "device not found")
        return device


def _wanted_status(body: bytes) -> AuthStatus:
    document = parse(body)
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(status, str) or status not in _REACHABLE_FROM:
        raise Problem(http.BAD_REQUEST, "incorrect device status")
    return AuthStatus(status)


def _device_document(device: DemoDevice) -> dict[str, object]:
    identity_data = json.loads(device.identity)
    return {
        "id": device.id,
        "identity_data": identity_data,
        "status": device.status,
        "decommissioning": device.decommissioning,
        "auth_sets": [
            {
                "id": auth_set.id,
                "identity_data": identity_data,
                "pubkey": auth_set.pubkey,
                "ts": _timestamp(auth_set.ts),
                "status": auth_set.status,
            }
            for auth_set in device.auth_sets
        ],
    }


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
