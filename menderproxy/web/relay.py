"""The body of an upstream's answer to a device, with backpressure."""

from __future__ import annotations

from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.web.outflow import Outflow
from menderproxy.web.request import GatewayRequest
from menderproxy.wire.body import Body


class Relay(Outflow):
    """
    Passes one body on as it comes.

    :param length: bytes that the head promises to the device: never more, and if less, then
        with a broken connection. ``None`` when it promises nothing.
    :param skip: bytes at its beginning that the device has already.
    """

    def __init__(
        self,
        request: GatewayRequest,
        body: Body,
        stall: float,
        length: int | None,
        *,
        skip: int = 0,
    ):
        super().__init__(request, stall)
        self._body = body
        self._missing = length
        self._skip = skip

    def start(self) -> None:
        """Let the upstream send."""
        self._body.deliver(self)

    def hold_back(self) -> None:
        """Pause the upstream."""
        self._body.pause()

    def go_on(self) -> None:
        """Let the upstream go on."""
        self._body.resume()

    def drop(self) -> None:
        """Drop the upstream's connection."""
        self._body.abort()

    def body_data(self, data: bytes) -> None:
        """Bytes came from the upstream."""
        if self.over:
            return
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
            if not data:
                return
        if self._missing is not None:
            self._missing -= len(data)
            if self._missing < 0:
                self.give_up(UpstreamUnavailable("the upstream sent more than it promised"))
                return
        self.request.write(data)

    def body_ended(self, *, certain: bool) -> None:
        """The upstream sent all of it, if that is what it promised."""
        if self._missing:
            self.give_up(UpstreamUnavailable("the upstream sent less than it promised"))
        else:
            self.finished()

    def body_broken(self, reason: Exception) -> None:
        """What the upstream sent is not all."""
        self.give_up(reason)
