"""The device side of a Mender Server, as small as a stranger can read and as strict as the real."""

from __future__ import annotations

import json
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
from menderproxy.demo.fleet import (
    STATUSES,
    DemoDevice,
    Deployment,
    Fleet,
    NextRequest,
    Release,
    RequestChanged,
)
from menderproxy.demo.tokens import Expired, TokenIssuer

__all__ = ["DemoDevice", "DemoMenderServer", "Deployment", "Release", "ServerRequest"]

_MAX_BODY = 1 << 20
_MAX_ATTRIBUTES = 100
_LINK_LIFETIME = 86400

_V1 = "/api/devices/v1"
_DEPLOYMENTS = "deployments/device/deployments"


@attrs.frozen
class _Route:
    """A path, the methods it knows, and the method of ours that answers."""

    name: str
    methods: frozenset[str]
    path: re.Pattern[str]


_ROUTES = (
    _Route("auth_requests", frozenset({"POST"}), re.compile(f"{_V1}/authentication/auth_requests")),
    _Route(
        "inventory", frozenset({"PUT", "PATCH"}), re.compile(f"{_V1}/inventory/device/attributes")
    ),
    _Route(
        "next",
        frozenset({"GET", "POST"}),
        re.compile(rf"/api/devices/v(?P<version>[12])/{_DEPLOYMENTS}/next"),
    ),
    _Route(
        "status",
        frozenset({"PUT"}),
        re.compile(f"{_V1}/{_DEPLOYMENTS}/(?P<deployment_id>[^/]+)/status"),
    ),
    _Route(
        "log",
        frozenset({"PUT"}),
        re.compile(f"{_V1}/{_DEPLOYMENTS}/(?P<deployment_id>[^/]+)/log"),
    ),
    _Route(
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


class _Problem(Exception):
    """An answer other than the one hoped for."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class DemoMenderServer(resource.Resource):
    """
    Answers devices as a Mender Server 4 does.

    :param link: gives the store's link for a release, a fresh one at each poll.
    :param seconds: tells the time in seconds since the epoch.
    :param versions: of the deployments API; a server without 2 answers 404 to it.
    :param auto_accept: whether a new device, or a new key, needs no human's consent.
    """

    isLeaf = True

    def __init__(
        self,
        *,
        link: Callable[[Release], str],
        seconds: Callable[[], float] = time.time,
        versions: frozenset[int] = frozenset({1, 2}),
        auto_accept: bool = True,
    ):
        super().__init__()  # type: ignore[no-untyped-call]
        self.requests: list[ServerRequest] = []
        self._link = link
        self._seconds = seconds
        self._versions = versions
        self._auto_accept = auto_accept
        self._fleet = Fleet()
        self._tokens = TokenIssuer()
        self._expired: set[str] = set()

    @property
    def devices(self) -> dict[str, DemoDevice]:
        """All devices that ever asked for a token, by their identity as canonical JSON."""
        return self._fleet.devices

    def deploy(self, release: Release) -> Deployment:
        """Offer *release* to every device of its types, now and later."""
        return self._fleet.deploy(release)

    def accept(self, identity: str) -> None:
        """
        Let a device in, with the key of its last request.

        :param identity: canonical JSON, a key of :attr:`devices`.
        :raises KeyError: when no such device has asked.
        """
        self.devices[identity].accept()

    def render(self, request: server.Request) -> bytes | int:
        """Answer one request."""
        assert request.content is not None, "Twisted reads the body before it renders"
        body = request.content.read()
        method, target = request.method.decode("latin-1"), request.uri.decode("latin-1")
        self.requests.append(ServerRequest(method, target, request.requestHeaders.copy(), body))
        request_id = str(uuid.uuid4())
        request.setHeader(b"x-men-requestid", request_id.encode())
        try:
            answer = self._route(request, method, target, body)
        except _Problem as problem:
            error = {"error": str(problem), "request_id": request_id}
            return go_json.respond(request, problem.status, error)
        if answer is None:
            # Returning b"" would add a Content-Length, which a 204 must not have.
            request.setResponseCode(http.NO_CONTENT)
            request.finish()
            return server.NOT_DONE_YET
        return answer

    def _route(
        self, request: server.Request, method: str, target: str, body: bytes
    ) -> bytes | None:
        path = target.partition("?")[0]
        if len(body) > _MAX_BODY:
            raise _Problem(http.REQUEST_ENTITY_TOO_LARGE, "http: request body too large")
        route, found = _find_route(path)
        if method not in route.methods:
            raise _Problem(http.NOT_ALLOWED, "method not allowed")
        _check_content_type(request, body)
        if route.name == "auth_requests":
            return self._auth_requests(request, body)
        device = self._authenticated(request)
        answer: Callable[..., bytes | None] = getattr(self, f"_{route.name}")
        return answer(request, device, body, **found)

    def _auth_requests(self, request: server.Request, body: bytes) -> bytes:
        try:
            asked = AuthRequest.parse(body, request.getHeader("x-men-signature"))
        except ValueError as error:
            raise _Problem(http.BAD_REQUEST, str(error)) from None
        except BadSignature:
            raise _Problem(http.UNAUTHORIZED, "signature verification failed") from None
        device = self._fleet.meet(asked.identity, asked.pubkey_pem)
        if self._auto_accept and device.status != "rejected":
            device.accept()
        if not device.admitted:
            raise _Problem(http.UNAUTHORIZED, "dev auth: unauthorized")
        device.token = self._tokens.issue(device.id, self._seconds())
        request.setHeader(b"content-type", b"application/jwt")
        return device.token.encode()

    def _authenticated(self, request: server.Request) -> DemoDevice:
        scheme, _, token = (request.getHeader(b"authorization") or b"").decode().partition(" ")
        device = None
        if scheme.lower() == "bearer":
            try:
                device = self._fleet.with_id(self._tokens.device_id(token, self._seconds()))
            except Expired:
                self._refuse_expired(token)
        if device is None or device.status != "accepted":
            raise _Problem(http.UNAUTHORIZED, "Unauthorized")
        return device

    def _refuse_expired(self, token: str) -> NoReturn:
        # The real server deletes an expired token when it sees it: from then on it is unknown.
        status = http.UNAUTHORIZED if token in self._expired else http.FORBIDDEN
        self._expired.add(token)
        raise _Problem(status, "token expired" if status == http.FORBIDDEN else "Unauthorized")

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
            raise _Problem(http.NOT_FOUND, "not found")
        asked = NextRequest(
            request.method.decode(), int(version), _provides(request, body, int(version))
        )
        try:
            deployment = self._fleet.next_deployment(device, asked)
        except RequestChanged:
            message = "conflicting deployment request for the same deployment"
            raise _Problem(http.CONFLICT, message) from None
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
        report = _parse(body)
        status = report.get("status") if isinstance(report, dict) else None
        if status not in STATUSES:
            raise _Problem(http.BAD_REQUEST, f"unknown status value: {status}")
        if deployment.aborted:
            raise _Problem(http.CONFLICT, "deployment aborted")
        self._fleet.report(deployment, device, status)

    def _log(
        self, request: server.Request, device: DemoDevice, body: bytes, deployment_id: str
    ) -> None:
        self._deployment(device, deployment_id)
        report = _parse(body)
        messages = report.get("messages") if isinstance(report, dict) else None
        if not isinstance(messages, list) or not messages:
            raise _Problem(http.BAD_REQUEST, "messages: cannot be blank")
        device.log.extend(messages)

    def _configuration(
        self, request: server.Request, device: DemoDevice, body: bytes
    ) -> bytes | None:
        if request.method == b"GET":
            return go_json.respond(request, http.OK, device.configuration)
        reported = _parse(body)
        if not isinstance(reported, dict):
            raise _Problem(http.BAD_REQUEST, "malformed configuration")
        device.configuration = reported
        return None

    def _deployment(self, device: DemoDevice, deployment_id: str) -> Deployment:
        deployment = self._fleet.deployments.get(deployment_id)
        if deployment is None or device.id not in deployment.first_requests:
            raise _Problem(http.NOT_FOUND, "deployment not found")
        return deployment


def _find_route(path: str) -> tuple[_Route, dict[str, str]]:
    for route in _ROUTES:
        match = route.path.fullmatch(path)
        if match is not None:
            return route, match.groupdict()
    raise _Problem(http.NOT_FOUND, "not found")


def _check_content_type(request: server.Request, body: bytes) -> None:
    # Like the real one: a chunked body, whose length no header tells, is not looked at.
    length = request.getHeader(b"content-length")
    kind = (request.getHeader(b"content-type") or b"").partition(b";")[0].strip().lower()
    if length not in (None, b"0") and kind != b"application/json":
        raise _Problem(http.UNSUPPORTED_MEDIA_TYPE, "unsupported Content-Type")


def _parse(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        raise _Problem(http.BAD_REQUEST, "failed to decode request body") from None


def _provides(request: server.Request, body: bytes, version: int) -> dict[str, object]:
    provides: object
    if request.method == b"GET":
        provides = {n.decode(): v[0].decode() for n, v in (request.args or {}).items()}
    else:
        provides = _parse(body)
        if version == 2 and isinstance(provides, dict):
            provides = provides.get("device_provides")
    if not isinstance(provides, dict) or not provides.keys() >= {"artifact_name", "device_type"}:
        raise _Problem(http.BAD_REQUEST, "artifact_name and device_type are required")
    return provides


def _attributes(body: bytes) -> dict[str, object]:
    attributes = _parse(body)
    if not isinstance(attributes, list) or len(attributes) > _MAX_ATTRIBUTES:
        raise _Problem(http.BAD_REQUEST, "expected an array of at most 100 attributes")
    named: dict[str, object] = {}
    for attribute in attributes:
        name = attribute.get("name") if isinstance(attribute, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= 1024:
            raise _Problem(http.BAD_REQUEST, "attribute name missing or too long")
        if not _is_attribute_value(attribute.get("value")):
            raise _Problem(http.BAD_REQUEST, f"{name}: value type not supported")
        named[name] = attribute["value"]
    return named


def _is_attribute_value(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(isinstance(i, str | int | float) and not isinstance(i, bool) for i in items)
