"""One line for each request, however it ends, without what would let a reader replay it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure

from menderproxy.wire.links import PREFIX

if TYPE_CHECKING:
    from menderproxy.web.request import GatewayRequest

LONGEST_SEGMENT = 64

log = Logger()


class AccessLog:
    """Watches one request to its end."""

    def __init__(self, request: GatewayRequest):
        self._request = request
        self._clock: Any = request.site.reactor
        self._started = self._clock.seconds()

    @classmethod
    def watch(cls, request: GatewayRequest) -> None:
        """Log the request when it ends."""
        watcher = cls(request)
        request.notifyFinish().addCallbacks(watcher._finished, watcher._broken)

    def _finished(self, _: None) -> None:
        self._line("")

    def _broken(self, reason: Failure) -> None:
        self._line(" (broken off)")

    def _line(self, remark: str) -> None:
        request = self._request
        log.info(
            "method={method} path={path} status={status} type={version} bytes={sent}"
            " time={took:.3f} from={device}{remark}",
            method=request.method.decode("latin-1"),
            path=loggable_path(request.uri),
            status=request.code,
            version=request.clientproto.decode("latin-1"),
            sent=request.sentLength,
            took=self._clock.seconds() - self._started,
            device=request.device_address,
            remark=remark,
        )


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
