"""What a device asks for, told from the raw request target."""

from __future__ import annotations

import enum
import re
from urllib.parse import unquote_to_bytes

from menderproxy.wire.links import PREFIX

_DEVICE_API = b"/api/devices/"
_UNSAFE = re.compile(rb"[^!-~]")
_SEPARATOR = re.compile(rb"[/\\]")
_DOTS = re.compile(rb"\.\.?(?:;.*)?", re.DOTALL)
_DECODINGS = 3


class BadTarget(ValueError):
    """A request target that must be answered with 400 and never forwarded."""


class Route(enum.StrEnum):
    """A kind of request, by its label in the metrics."""

    ALIVE = "alive"
    READY = "ready"
    ARTIFACT = "artifact"
    NEXT_DEPLOYMENT = "deployments_next"
    ARTIFACT_LINK = "artifact_link"
    CONFIGURATION_DOWNLOAD = "configuration_download"
    AUTHENTICATION = "auth_requests"
    INVENTORY = "inventory"
    CONNECT = "deviceconnect"
    DEPLOYMENT_STATUS = "deployments_status"
    DEPLOYMENT_LOG = "deployments_log"
    DEVICE_API = "device_api"
    UNKNOWN = "unknown"


_PATHS = {
    b"/api/internal/v1/gateway/alive": Route.ALIVE,
    b"/api/internal/v1/gateway/ready": Route.READY,
    b"/api/devices/v1/deployments/device/deployments/next": Route.NEXT_DEPLOYMENT,
    b"/api/devices/v2/deployments/device/deployments/next": Route.NEXT_DEPLOYMENT,
    b"/api/devices/v1/authentication/auth_requests": Route.AUTHENTICATION,
    b"/api/devices/v1/inventory/device/attributes": Route.INVENTORY,
    b"/api/devices/v1/deviceconnect/connect": Route.CONNECT,
}
_PATTERNS = tuple(
    (re.compile(re.escape(_DEVICE_API) + pattern), route)
    for pattern, route in (
        (rb"v1/deployments/artifacts/[^/]+/download", Route.ARTIFACT_LINK),
        (rb"v1/deployments/download/configuration/.+", Route.CONFIGURATION_DOWNLOAD),
        (rb"v1/deployments/device/deployments/[^/]+/status", Route.DEPLOYMENT_STATUS),
        (rb"v1/deployments/device/deployments/[^/]+/log", Route.DEPLOYMENT_LOG),
    )
)


def match(target: bytes) -> Route:
    """
    Tell what a request asks for; its method is not looked at.

    :param target: path and query as they stand in the request line.
    :raises BadTarget: for a target that is no plain path, or could turn, once the server's edge
        has tidied it up, into a path outside the device API.
    """
    usual = _PATHS.get(target)
    if usual is not None:
        return usual
    if not target.startswith(b"/"):
        raise BadTarget("the request target does not start with '/'")
    if _UNSAFE.search(target):
        raise BadTarget("a control or non-ASCII byte in the request target")
    path = target.partition(b"?")[0]
    if path.startswith(_DEVICE_API) and _climbs(path):
        raise BadTarget("a '.' or '..' segment in the request path")
    return _PATHS.get(path) or _pattern_of(path)


def _pattern_of(path: bytes) -> Route:
    if path.startswith(PREFIX):
        return Route.ARTIFACT
    if not path.startswith(_DEVICE_API):
        return Route.UNKNOWN
    for pattern, route in _PATTERNS:
        if pattern.fullmatch(path):
            return route
    return Route.DEVICE_API


def _climbs(path: bytes) -> bool:
    """Whether *path* has a dot segment, seen through several layers of percent-encoding."""
    if b"." not in path and b"%" not in path:
        return False
    for _ in range(_DECODINGS + 1):
        if any(_DOTS.fullmatch(segment) for segment in _SEPARATOR.split(path)):
            return True
        path = unquote_to_bytes(path)
    return False
