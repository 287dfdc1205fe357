"""The remote terminal: a device and the Mender Server speak WebSocket through the gateway."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.web.http import SWITCHING
from zope.interface import implementer

from menderproxy.upstream.errors import UpstreamTimeout
from menderproxy.upstream.switched import Switched
from menderproxy.upstream.upgrade import UpgradeAgent
from menderproxy.web.answers import answer_error
from menderproxy.web.forward import DeviceProxy, MenderServer
from menderproxy.web.relay import Relay
from menderproxy.web.request import GatewayRequest
from menderproxy.wire.headers import (
    is_websocket_upgrade,
    switching_headers,
    upgrade_request_headers,
)

IDLE_TIMEOUT = 120.0
"""
Seconds without a byte in either direction: the Mender Server pings every 30 s, and gives a device
up itself after 60 s.
"""

_REQUEST_LINE = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.[01]\r\n")


class ConnectProxy(DeviceProxy):
    """
    Forwards a device's request for WebSocket, and from then on every byte, both ways.

    All other requests are forwarded as any.

    :param agent: how upgrades reach the Mender Server.
    :param idle: seconds; see :data:`IDLE_TIMEOUT`.
    :ivar tunnels: how many are open.
    """

    def __init__(
        self,
        reactor: Any,
        mender: MenderServer,
        stall: float,
        agent: UpgradeAgent,
        *,
        idle: float = IDLE_TIMEOUT,
    ):
        super().__init__(reactor, mender, stall)
        self.tunnels = 0
        self._agent = agent
        self._idle = idle

    async def proxy(self, request: GatewayRequest) -> None:
        """Forward one request, and what follows if it is granted."""
        if request.method != b"GET" or not is_websocket_upgrade(request.raw_headers):
            await super().proxy(request)
        elif request.clientproto != b"HTTP/1.1":
            _refuse(request, "WebSocket needs HTTP/1.1")
        elif request.body:
            _refuse(request, "a request for WebSocket has no body")
        else:
            await self._upgrade(request)

    async def _upgrade(self, request: GatewayRequest) -> None:
        token = self.bound_token(request)
        headers = upgrade_request_headers(
            request.raw_headers,
            host=self.mender.authority,
            client=request.device_address,
            secure=request.isSecure(),
        )
        outcome = await self._agent.upgrade(self.mender.origin, request.uri, headers)
        if not isinstance(outcome, Switched):
            await self.respond(request, outcome)
            return
        if token is not None:
            token.bind()
        if request.site.draining:
            outcome.abort()
            answer_error(request, 503, "the gateway is about to stop")
        elif _REQUEST_LINE.match(request.channel.early_data):
            # Whoever sent it counts on the upgrade being refused, or on a gateway that
            # passes requests on unseen.
            outcome.abort()
            _refuse(request, "another request behind one for WebSocket")
        else:
            await self._tunnel(request, outcome)

    async def _tunnel(self, request: GatewayRequest, upstream: Switched) -> None:
        self.tunnels += 1
        try:
            await Tunnel(request, upstream, stall=self.stall, idle=self._idle).run()
        finally:
            self.tunnels -= 1


class Tunnel(Relay):
    """
    Passes bytes on between a device and an upstream, each at the pace of who takes them.

    When one side closes, so does the other once it has what was under way.

    :param stall: see :class:`menderproxy.web.outflow.Outflow`.
    :param idle: seconds without a byte from either side.
    """

    def __init__(self, request: GatewayRequest, upstream: Switched, *, stall: float, idle: float):
        super().__init__(request, upstream, stall, None)
        self._upstream = upstream
        self._idle = idle
        self._silence: IDelayedCall = request.site.reactor.callLater(idle, self._fell_silent)

    def start(self) -> None:
        """Tell the device that the protocol is switched, and let bytes flow."""
        request = self.request
        request.tunnelled = 0
        request.setResponseCode(SWITCHING)
        # Twisted would frame a body, and there is none.
        request.startedWriting = 1
        lines = [b"HTTP/1.1 101 Switching Protocols"]
        lines += [b"%b: %b" % header for header in switching_headers(self._upstream.headers)]
        self._upstream.regulate(_DeviceReading(request.channel.transport))
        request.channel.switch_protocols(b"\r\n".join(lines) + b"\r\n\r\n", self)
        super().start()

    def body_data(self, data: bytes) -> None:
        """Bytes came from the upstream."""
        if not self.over:
            self._silence.reset(self._idle)
            super().body_data(data)

    def device_data(self, data: bytes) -> None:
        """Bytes came from the device."""
        if not self.over:
            self._silence.reset(self._idle)
            self.request.tunnelled = (self.request.tunnelled or 0) + len(data)
            self._upstream.write(data)

    def finished(self) -> None:
        """Close both sides, after what was under way."""
        self.drop()
        super().finished()

    def drop(self) -> None:
        """Close the upstream's side, after what was under way."""
        if self._silence.active():
            self._silence.cancel()
        self._upstream.close()

    def _fell_silent(self) -> None:
        self.give_up(UpstreamTimeout(f"a tunnel without a byte for {self._idle:g} s"))


@implementer(IPushProducer)
class _DeviceReading:
    """What a device sends, as fast as the upstream takes it."""

    def __init__(self, transport: Any):
        self._transport = transport

    def pauseProducing(self) -> None:
        """The upstream can't follow."""
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The upstream can take more."""
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """The upstream is gone, as the tunnel learns anyway."""


def _refuse(request: GatewayRequest, error: str) -> None:
    request.channel.close_after_answer()
    answer_error(request, 400, error)
