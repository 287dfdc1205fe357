"""One line for each request, however it ends, without what would let a reader replay it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger, LogLevel

from menderproxy.wire.device_token import bearer_token, device_id
from menderproxy.wire.links import PREFIX

if TYPE_CHECKING:
    from menderproxy.web.request import GatewayRequest

LONGEST_SEGMENT = 64

_UNSAFE = re.compile(r"[^0-9A-Za-z._:@/+-]")

log = Logger()

# What Logger.info() would add, which takes as long as to write the line.
_EVENT: dict[str, Any] = {
    "log_logger": log,
    "log_level": LogLevel.info,
    "log_namespace": log.namespace,
    "log_source": None,
    "log_format": "{log_text}",
}


def log_request(request: GatewayRequest, seconds: float, *, broken_off: bool) -> None:
    """
    Log a request that is over.

    The event brings what is to be written along (see :mod:`menderproxy.ops.logs`).

    :param seconds: since it was complete.
    :param broken_off: whether it ended before its answer did.
    """
    fields: dict[str, Any] = {
        "method": request.method.decode("latin-1"),
        "path": loggable_path(request.uri),
        "status": request.code,
        "type": request.clientproto.decode("latin-1"),
        "bytes": request.sentLength,
        "received": request.bytes_received,
        "duration": round(seconds, 3),
        "address": request.device_address,
        "route": request.route.value,
    }
    text = _text(**fields)
    for name, value in (
        ("device", _device(request)),
        ("certificate", request.channel.certificate and request.channel.certificate.serial),
        ("cache", request.cache_outcome),
        ("request_id", _request_id(request)),
    ):
        if value:
            fields[name] = value
            text += f" {name}={value}"
    if broken_off:
        fields["remark"] = " (broken off)"
        text += " (broken off)"
    log.observer(
        {
            **_EVENT,
            "log_time": time.time(),
            "log_text": text,
            "log_fields": fields,
        }
    )


def _text(
    *,
    method: str,
    path: str,
    status: int,
    type: str,
    bytes: int,
    received: int,
    duration: float,
    address: str,
    route: str,
) -> str:
    """The fields that every line has; those of the official gateway come first, in its order."""
    return (
        f"method={method} path={path} status={status} type={type} bytes={bytes}"
        f" received={received} time={duration:.3f} from={address} route={route}"
    )


def _device(request: GatewayRequest) -> str | None:
    """The device's id, as its token has it."""
    authorization, channel = request.authorization, request.channel
    # A connection that is kept has one token most of the time; it is not kept for that.
    seen = hash(authorization)
    if channel.token[0] != seen:
        token = bearer_token(authorization)
        channel.token = seen, None if token is None else _harmless(device_id(token) or "")
    return channel.token[1]


def _request_id(request: GatewayRequest) -> str | None:
    """What the Mender Server calls the request in its own log, or the device in its."""
    given = request.responseHeaders.getRawHeaders(b"x-men-requestid", [])
    for value in (*given, *request.values(b"x-men-requestid")):
        return _harmless(value.decode("latin-1"))
    return None


def _harmless(text: str) -> str:
    """A word that stays one, whoever made it up."""
    return _UNSAFE.sub("?", text[:LONGEST_SEGMENT])


def log_refusal(status: int, device: IAddress) -> None:
    """Log a request that was refused before it was complete."""
    log.info("status={status} from={device} (refused)", status=status, device=_host(device))


def loggable_path(target: bytes) -> str:
    """
    The path of a request target as it may stand in a log.

    A query may hold a signature. A local link's path holds a store's presigned link, also when
    something put another path before it, so segments too long for people are left out.
    """
    path = target.partition(b"?")[0]
    if path.startswith(PREFIX):
        path = PREFIX + b".../" + path.rpartition(b"/")[2]
    segments = [
        segment if len(segment) <= LONGEST_SEGMENT else b"..." for segment in path.split(b"/")
    ]
    shown = b"/".join(segments).decode("latin-1")
    if shown.isprintable():
        return shown
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def _host(address: IAddress) -> str:
    return str(getattr(address, "host", "")).removeprefix("::ffff:")
