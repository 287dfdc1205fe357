"""The body of an upstream's answer to a device, with backpressure."""

from __future__ import annotations

from menderproxy.web.channel import GatewayRequest
from menderproxy.web.outflow import Outflow
from menderproxy.wire.body import Body


class Relay(Outflow):
    """Passes one body on as it comes."""

    def __init__(self, request: GatewayRequest, body: Body, stall: float):
        super().__init__(request, stall)
        self._body = body

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
        if not self.over:
            self.request.write(data)

    def body_ended(self, *, certain: bool) -> None:
        """The upstream sent all of it."""
        self.finished()

    def body_broken(self, reason: Exception) -> None:
        """What the upstream sent is not all."""
        self.give_up(reason)
