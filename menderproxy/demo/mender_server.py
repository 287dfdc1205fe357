"""A Mender Server, as small as a stranger can read and as strict as the real."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

import attrs
from twisted.web import http, resource, server
from twisted.web.http_headers import Headers

from menderproxy.demo import go_json
from menderproxy.demo.auth_requests import AuthRequest, BadSignature
from menderproxy.demo.auth_sets import AuthSet, AuthStatus
from menderproxy.demo.fleet import (
    STATUSES,
    DemoDevice,
    Deployment,
    Fleet,
    NextRequest,
    Release,
    RequestChanged,
    TooManyDevices,
)
from menderproxy.demo.json_body import check_content_type, parse
from menderproxy.demo.management import Management, ManagementCall
from menderproxy.demo.problem import Problem
from menderproxy.demo.routing import Route, find_route
from menderproxy.demo.sessions import Sessions
from menderproxy.demo.tokens import Claims, Expired, TokenIssuer, bearer_token

__all__ = ["DemoDevice", "DemoMenderServer", "Deployment", "Release", "ServerRequest"]

_MAX_BODY = 1 << 20
_MAX_ATTRIBUTES = 100
_LINK_LIFETIME = 86400

_V1 = "/api/devices/v1"
_DEPLOYMENTS = "deployments/device/deployments"


_ROUTES = (
    Route("auth_requests", frozenset({"POST"}), re.compile(f"{_V1}/authentication/auth_requests")),
    Route(
        "inventory", frozenset({"PUT", "PATCH"}), re.compile(f"{_V1}/inventory/device/attributes")
    ),
    Route(
        "next",
        frozenset({"GET", "POST"}),
        re.compile(rf"/api/devices/v(?P<version>[12])/{_DEPLOYMENTS}/next"),
    ),
    Route(
        "status",
        frozenset({"PUT"}),
        re.compile(f"{_V1}/{_DEPLOYMENTS}/(?P<deployment_id>[^/]+)/status"),
    ),
    Route(
        "log",
        frozenset({"PUT"}),
        re.compile(f"{_V1}/{_DEPLOYMENTS}/(?P<deployment_id>[^/]+)/log"),
    ),
    Route(
        "configuration",
        frozenset({"GET", "PUT"}),
        re.compile(f"{_V1}/deviceconfig/configuration"),
    ),
)


@attrs.frozen
class ServerRequest:
    """
    A request that the server got.

    :param path: the raw target, with its query.
    """

    method: str
    path: str
    headers: Headers = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


class DemoMenderServer(resource.Resource):
    """
    Answers devices, and who manages them, as a Mender Server 4 does.

    :param link: gives the store's link for a release, a fresh one at each poll.
    :param seconds: tells the time in seconds since the epoch.
    :param versions: of the deployments API; a server without 2 answers 404 to it.
    :param auto_accept: whether a new device, or a new key, needs no human's consent.
    :param sessions: the users of the management API; by default there are none.

    :ivar fleet: all devices and deployments.
    :ivar management: the management API, with what can be set of it.
    :ivar requests: every request of whomever, oldest first.
    """

    isLeaf = True

    def __init__(
        self,
        *,
        link: Callable[[Release], str],
        seconds: Callable[[], float] = time.time,
        versions: frozenset[int] = frozenset({1, 2}),
        auto_accept: bool = True,
        sessions: Sessions | None = None,
    ):
        super().__init__()  # type: ignore[no-untyped-call]
        self.requests: list[ServerRequest] = []
        self.fleet = Fleet()
        self.management = Management(
            self.fleet, Sessions() if sessions is None else sessions, seconds
        )
        self._link = link
        self._seconds = seconds
        self._versions = versions
        self._auto_accept = auto_accept
        self._tokens = TokenIssuer("device")
        self._expired: set[str] = set()

    @property
    def devices(self) -> dict[str, DemoDevice]:
        """All known devices by their identity as canonical JSON."""
        return self.fleet.devices

    @property
    def management_calls(self) -> list[ManagementCall]:
        """Every call of the management API, oldest first."""
        return self.management.calls

    def deploy(self, release: Release) -> Deployment:
        """Offer *release* to every device of its types, now and later."""
        return self.fleet.deploy(release)

    def accept(self, identity: str) -> None:
        """
        Let a device in, with the key of its last request.

        :param identity: canonical JSON, a key of :attr:`devices`.
        :raises KeyError: when no such device has asked.
        :raises TooManyDevices: when that would be one too many.
        """
        device = self.devices[identity]
        if device.offered is None:
            raise KeyError(identity)
        self.fleet.accept(device, device.offered)

    def reject(self, identity: str, auth_set: AuthSet | None = None) -> None:
        """
        Keep a device out.

        :param auth_set: the only key meant; otherwise it is all that the device has shown.
        :raises KeyError: when there is no such device.
        """
        for rejected in self._meant(identity, auth_set):
            rejected.status = AuthStatus.REJECTED

    def dismiss(self, identity: str, auth_set: AuthSet | None = None) -> None:
        """
        Forget keys of a device, so that they are new when it shows them again.

        :param auth_set: the only key meant; otherwise it is all.
        :raises KeyError: when there is no such device.
        """
        device = self.devices[identity]
        for dismissed in self._meant(identity, auth_set):
            device.auth_sets.remove(dismissed)
            if device.offered is dismissed:
                device.offered = None

    def decommission(self, identity: str) -> None:
        """
        Begin to remove a device: until it is gone it gets no token, and its own is void.

        :raises KeyError: when there is no such device.
        """
        self.devices[identity].decommissioning = True

    def delete(self, identity: str) -> None:
        """
        Forget a device, as the real server does at the end of its decommissioning.

        :raises KeyError: when there is no such device.
        """
        del self.devices[identity]

    def render(self, request: server.Request) -> bytes | int:
        """Answer one request."""
        assert request.content is not None, "Twisted reads the body before it renders"
        body = request.content.read()
        method, target = request.method.decode("latin-1"), request.uri.decode("latin-1")
        self.requests.append(ServerRequest(method, target, request.requestHeaders.copy(), body))
        request_id = str(uuid.uuid4())
        request.setHeader(b"x-men-requestid", request_id.encode())
        try:
            answer = self._answer(request, method, target, body)
        except Problem as problem:
            return problem.respond(request, request_id)
        if answer is None:
            # Returning b"" would add a Content-Length, which a 204 must not have.
            request.setResponseCode(http.NO_CONTENT)
            request.finish()
            return server.NOT_DONE_YET
        return answer

    def _answer(
        self, request: server.Request, method: str, target: str, body: bytes
    ) -> bytes | None:
        if len(body) > _MAX_BODY:
            raise Problem(http.REQUEST_ENTITY_TOO_LARGE, "http: request body too large")
        if target.startswith("/api/management/"):
            return self.management.answer(request, method, target, body)
        route, found = find_route(_ROUTES, method, target.partition("?")[0])
        check_content_type(request)
        if route.name == "auth_requests":
            return self._auth_requests(request, body)
        device = self._authenticated(request)
        answer: Callable[..., bytes | None] = getattr(self, f"_{route.name}")
        return answer(request, device, body, **found)

    def _auth_requests(self, request: server.Request, body: bytes) -> bytes:
        try:
            asked = AuthRequest.parse(body, request.getHeader("x-men-signature"))
        except ValueError as error:
            raise Problem(http.BAD_REQUEST, str(error)) from None
        except BadSignature:
            raise Problem(http.UNAUTHORIZED, "signature verification failed") from None
        device = self.fleet.meet(asked.identity)
        auth_set = None if device.decommissioning else self._admitted(device, asked.pubkey_pem)
        if auth_set is None:
            raise Problem(http.UNAUTHORIZED, "dev auth: unauthorized")
        device.token = self._tokens.issue(Claims(auth_set.id, device.id), self._seconds())
        request.setHeader(b"content-type", b"application/jwt")
        return device.token.encode()

    def _admitted(self, device: DemoDevice, pubkey: str) -> AuthSet | None:
        consent = self._auto_accept and device.status is not AuthStatus.REJECTED
        auth_set = device.offered = device.auth_sets.meet(pubkey, self._seconds())
        if consent or auth_set.status is AuthStatus.PREAUTHORIZED:
            try:
                self.fleet.accept(device, auth_set)
            except TooManyDevices:
                # A device need not know why.
                raise Problem(http.UNAUTHORIZED, "unauthorized") from None
        return auth_set if auth_set.status is AuthStatus.ACCEPTED else None

    def _authenticated(self, request: server.Request) -> DemoDevice:
        token = bearer_token(request.getHeader(b"authorization"))
        try:
            claims = self._tokens.check(token, self._seconds())
        except Expired:
            self._refuse_expired(token)
        device = None if claims is None else self._holder(claims)
        if device is None:
            raise Problem(http.UNAUTHORIZED, "Unauthorized")
        return device

    def _holder(self, claims: Claims) -> DemoDevice | None:
        device = self.fleet.with_id(claims.subject)
        auth_set = None if device is None else device.auth_sets.with_id(claims.id)
        if device is None or device.decommissioning or auth_set is None:
            return None
        return device if auth_set.status is AuthStatus.ACCEPTED else None

    def _refuse_expired(self, token: str) -> NoReturn:
        # The real server deletes an expired token when it sees it: from then on it is unknown.
        status = http.UNAUTHORIZED if token in self._expired else http.FORBIDDEN
        self._expired.add(token)
        raise Problem(status, "token expired" if status == http.FORBIDDEN else "Unauthorized")

    def _meant(self, identity: str, auth_set: AuthSet | None) -> list[AuthSet]:
        auth_sets = self.devices[identity].auth_sets
        return [known for known in auth_sets if auth_set is None or known is auth_set]

    def _inventory(self, request: server.Request, device: DemoDevice, body: bytes) -> bytes:
        attributes = _attributes(body)
        if request.method == b"PUT":
            device.inventory.clear()
        device.inventory.update(attributes)
        return b""

    def _next(
        self, request: server.Request, device: DemoDevice, body: bytes, version: str
    ) -> bytes | None:
        if int(version) not in self._versions or (version == "2" and request.method == b"GET"):
            raise Problem(http.NOT_FOUND, "not found")
        asked = NextRequest(
            request.method.decode(), int(version), _provides(request, body, int(version))
        )
        try:
            deployment = self.fleet.next_deployment(device, asked)
        except RequestChanged:
            message = "conflicting deployment request for the same deployment"
            raise Problem(http.CONFLICT, message) from None
        if deployment is None:
            return None
        return go_json.respond(request, http.OK, self._instructions(deployment, int(version)))

    def _instructions(self, deployment: Deployment, version: int) -> dict[str, object]:
        release = deployment.release
        expire = datetime.fromtimestamp(self._seconds() + _LINK_LIFETIME, UTC)
        source = {"uri": self._link(release), "expire": expire.isoformat().replace("+00:00", "Z")}
        artifact = {
            "id": release.artifact_id,
            "artifact_name": release.artifact_name,
            "source": source,
            "device_types_compatible": list(release.device_types),
        }
        instructions: dict[str, object] = {"id": deployment.id, "artifact": artifact}
        if version == 2:
            instructions["update_control_map"] = None
        return instructions

    def _status(
        self, request: server.Request, device: DemoDevice, body: bytes, deployment_id: str
    ) -> None:
        deployment = self._deployment(device, deployment_id)
        report = parse(body)
        status = report.get("status") if isinstance(report, dict) else None
        if status not in STATUSES:
            raise Problem(http.BAD_REQUEST, f"unknown status value: {status}")
        if deployment.aborted:
            raise Problem(http.CONFLICT, "deployment aborted")
        self.fleet.report(deployment, device, status)

    def _log(
        self, request: server.Request, device: DemoDevice, body: bytes, deployment_id: str
    ) -> None:
        self._deployment(device, deployment_id)
        report = parse(body)
        messages = report.get("messages") if isinstance(report, dict) else None
        if not isinstance(messages, list) or not messages:
            raise Problem(http.BAD_REQUEST, "messages: cannot be blank")
        device.log.extend(messages)

    def _configuration(
        self, request: server.Request, device: DemoDevice, body: bytes
    ) -> bytes | None:
        if request.method == b"GET":
            return go_json.respond(request, http.OK, device.configuration)
        reported = parse(body)
        if not isinstance(reported, dict):
            raise Problem(http.BAD_REQUEST, "malformed configuration")
        device.configuration = reported
        return None

    def _deployment(self, device: DemoDevice, deployment_id: str) -> Deployment:
        deployment = self.fleet.deployments.get(deployment_id)
        if deployment is None or device.id not in deployment.first_requests:
            raise Problem(http.NOT_FOUND, "deployment not found")
        return deployment


def _provides(request: server.Request, body: bytes, version: int) -> dict[str, object]:
    provides: object
    if request.method == b"GET":
        provides = {n.decode(): v[0].decode() for n, v in (request.args or {}).items()}
    else:
        provides = parse(body)
        if version == 2 and isinstance(provides, dict):
            provides = provides.get("device_provides")
    if not isinstance(provides, dict) or not provides.keys() >= {"artifact_name", "device_type"}:
        raise Problem(http.BAD_REQUEST, "artifact_name and device_type are required")
    return provides


def _attributes(body: bytes) -> dict[str, object]:
    attributes = parse(body)
    if not isinstance(attributes, list) or len(attributes) > _MAX_ATTRIBUTES:
        raise Problem(http.BAD_REQUEST, "expected an array of at most 100 attributes")
    named: dict[str, object] = {}
    for attribute in attributes:
        name = attribute.get("name") if isinstance(attribute, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= 1024:
            raise Problem(http.BAD_REQUEST, "attribute name missing or too long")
        if not _is_attribute_value(attribute.get("value")):
            raise Problem(http.BAD_REQUEST, f"{name}: value type not supported")
        named[name] = attribute["value"]
    return named


def _is_attribute_value(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(isinstance(i, str | int | float) and not isinstance(i, bool) for i in items)
