"""One line for each request, however it ends, without what would let a reader replay it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from menderproxy.wire.links import PREFIX

if TYPE_CHECKING:
    from menderproxy.web.channel import GatewayRequest


class AccessLog:
    """Watches one request to its end."""

    log = Logger()

    def __init__(self, request: GatewayRequest):
        self._request = request
        self._clock: Any = request.site.reactor
        self._started = self._clock.seconds()

    @classmethod
    def watch(cls, request: GatewayRequest) -> None:
        """Log the request when it ends."""
        request.site = request.channel.site
        watcher = cls(request)
        request.notifyFinish().addCallbacks(watcher._finished, watcher._broken)

    def _finished(self, _: None) -> None:
        self._line("")

    def _broken(self, reason: Failure) -> None:
        self._line(" (broken off)")

    def _line(self, remark: str) -> None:
        request = self._request
        self.log.info(
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


def loggable_path(target: bytes) -> str:
    """
    The path of a request target as it may stand in a log.

    A query may hold a signature, and an artifact's path holds its presigned store link.
    """
    path = target.partition(b"?")[0].decode("latin-1")
    prefix = PREFIX.decode("ascii")
    if path.startswith(prefix):
        path = f"{prefix}.../{path.rpartition('/')[2]}"
    return "".join(letter if letter.isprintable() else "?" for letter in path)
