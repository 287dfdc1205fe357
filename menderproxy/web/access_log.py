"""One line for each request, however it ends, without what would let a reader replay it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure

from menderproxy.wire.device_token import bearer_token, device_id
from menderproxy.wire.links import PREFIX

if TYPE_CHECKING:
    from menderproxy.web.request import GatewayRequest

LONGEST_SEGMENT = 64

# Those of the official gateway come first, in its order.
_LINE = (
    "method={method} path={path} status={status} type={type} bytes={bytes} received={received}"
    " time={duration:.3f} from={address} route={route}"
)
_UNSAFE = re.compile(r"[^0-9A-Za-z._:@/+-]")

log = Logger()


class AccessLog:
    """Watches one request to its end."""

    def __init__(self, request: GatewayRequest):
        self._request = request
        self._clock: Any = request.site.reactor
        self._started = self._clock.seconds()
        self._certificate = request.channel.certificate

    @classmethod
    def watch(cls, request: GatewayRequest) -> None:
        """Log the request when it ends."""
        watcher = cls(request)
        request.notifyFinish().addCallbacks(watcher._finished, watcher._broken)

    def _finished(self, _: None) -> None:
        self._line("")

    def _broken(self, reason: Failure) -> None:
        # A tunnel is ended by whoever has enough of it: it has no other end.
        self._line(" (broken off)" if self._request.tunnelled is None else "")

    def _line(self, remark: str) -> None:
        request = self._request
        optional = {
            "device": _device(request),
            "certificate": self._certificate and self._certificate.serial,
            "cache": request.cache_outcome,
            "request_id": _request_id(request),
        }
        known = {name: value for name, value in optional.items() if value}
        log.info(
            _LINE + "".join(f" {name}={{{name}}}" for name in known) + "{remark}",
            method=request.method.decode("latin-1"),
            path=loggable_path(request.uri),
            status=request.code,
            type=request.clientproto.decode("latin-1"),
            bytes=request.sentLength,
            received=request.bytes_received,
            duration=round(self._clock.seconds() - self._started, 3),
            address=request.device_address,
            route=request.route.value,
            remark=remark,
            **known,
        )


def _device(request: GatewayRequest) -> str | None:
    """The device's id, as its token has it."""
    token = bearer_token(request.getHeader(b"authorization"))
    return None if token is None else _harmless(device_id(token) or "")


def _request_id(request: GatewayRequest) -> str | None:
    """What the Mender Server calls the request in its own log, or the device in its."""
    for headers in (request.responseHeaders, request.requestHeaders):
        for value in headers.getRawHeaders(b"x-men-requestid", []):
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
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def _host(address: IAddress) -> str:
    return str(getattr(address, "host", "")).removeprefix("::ffff:")
