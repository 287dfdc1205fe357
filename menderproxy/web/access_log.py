"""One line for each request, however it ends, without what would let a reader replay it."""

from __future__ import annotations

import re
import time
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING

from twisted.logger import Logger, LogLevel

from menderproxy.listen.recent import Recent
from menderproxy.wire.device_token import bearer_token, device_id
from menderproxy.wire.links import PREFIX

if TYPE_CHECKING:
    from menderproxy.web.request import GatewayRequest

LONGEST_SEGMENT = 64

# What a byte is in a word that stays one.
_HARMLESS = re.sub(rb"[^0-9A-Za-z._:@/+-]", b"?", bytes(range(256)))

_DEVICES: Recent[str] = Recent(4096)
"""
The ids of those that asked last, by a hash of what they showed: a token lasts for days.

It is Python's own, keyed anew in each process: nobody can make two tokens meet.
"""

log = Logger()


def log_request(request: GatewayRequest, seconds: float, *, broken_off: bool) -> None:
    """
    Log a request that is over.

    The event brings what is to be written along (see :mod:`menderproxy.ops.logs`).

    :param seconds: since it was complete.
    :param broken_off: whether it ended before its answer did.
    """
    text, members = _described(request, seconds)
    # These are words of ours, or made harmless: nothing to escape.
    for name, word in (
        ("device", _device(request)),
        ("certificate", request.channel.certificate and request.channel.certificate.serial),
        ("cache", request.cache_outcome),
        ("request_id", _request_id(request)),
    ):
        if word:
            text += f" {name}={word}"
            members += f', "{name}": "{word}"'
    if broken_off:
        text += " (broken off)"
        members += ', "remark": " (broken off)"'
    # Logger.info() would take as long as to write the line.
    log.observer(
        {
            "log_logger": log,
            "log_level": LogLevel.info,
            "log_namespace": log.namespace,
            "log_source": None,
            "log_format": "{log_text}",
            "log_time": time.time(),
            "log_text": text,
            # If nothing in the fields was escaped, there is nothing to escape in the text.
            "log_message": quoted(text) if "\\" in members else f'"{text}"',
            "log_members": members,
        }
    )


def _described(request: GatewayRequest, seconds: float) -> tuple[str, str]:
    """
    What every line has, as text and as members of a JSON object.

    Those of the official gateway come first, in its order.
    """
    method, version = request.method.decode("ascii"), request.clientproto.decode("ascii")
    path = loggable_path(request.uri)
    status, sent, received = request.code, request.sentLength, request.bytes_received
    duration, address, route = f"{seconds:.3f}", request.device_address, request.route
    return (
        f"method={method} path={path} status={status} type={version} bytes={sent}"
        f" received={received} time={duration} from={address} route={route}",
        # All but the path consist of letters that stand for themselves.
        f'"method": "{method}", "path": {quoted(path)}, "status": {status},'
        f' "type": "{version}", "bytes": {sent}, "received": {received},'
        f' "duration": {float(duration)}, "address": "{address}", "route": "{route}"',
    )


def _device(request: GatewayRequest) -> str | None:
    """The device's id, as its token has it."""
    authorization = request.authorization
    if authorization is None:
        return None
    digest = hash(authorization)
    name = _DEVICES.get(digest)
    if name is None:
        token = bearer_token(authorization)
        name = _harmless((device_id(token or b"") or "").encode("latin-1", "replace"))
        _DEVICES.put(digest, name)
    return name


def _request_id(request: GatewayRequest) -> str | None:
    """What the Mender Server calls the request in its own log, or the device in its."""
    given = request.answer_header(b"x-men-requestid")
    if given is None:
        given = next(iter(request.values(b"x-men-requestid")), None)
    return None if given is None else _harmless(given)


def _harmless(word: bytes) -> str:
    """A word that stays one, whoever made it up."""
    return word[:LONGEST_SEGMENT].translate(_HARMLESS).decode("ascii")


def log_refusal(status: int, device_address: str) -> None:
    """Log a request that was refused before it was complete."""
    log.info("status={status} from={device} (refused)", status=status, device=device_address)


def loggable_path(target: bytes) -> str:
    """
    The path of a request target as it may stand in a log.

    A query may hold a signature. A local link's path holds a store's presigned link, also when
    something put another path before it, so segments too long for people are left out.
    """
    path = target.partition(b"?")[0]
    if path.startswith(PREFIX):
        path = PREFIX + b".../" + path.rpartition(b"/")[2]
    if len(path) > LONGEST_SEGMENT:
        segments = path.split(b"/")
        path = b"/".join(each if len(each) <= LONGEST_SEGMENT else b"..." for each in segments)
    shown = path.decode("latin-1")
    if shown.isprintable():
        return shown
    return "".join(letter if letter.isprintable() else "?" for letter in shown)
