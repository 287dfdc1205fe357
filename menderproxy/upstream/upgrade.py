"""From HTTP to WebSocket: the handshake with an upstream."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from menderproxy.upstream.agent import Agent, RawHeaders
from menderproxy.upstream.answer import Answer
from menderproxy.upstream.client import Connection, Surroundings
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.errors import UpstreamError
from menderproxy.upstream.request import serialized
from menderproxy.upstream.switched import Switched
from menderproxy.wire.headers import is_websocket_upgrade
from menderproxy.wire.response_head import MalformedAnswer, ResponseHead

LONGEST_HEAD = 8 * 1024
"""Bytes that the head of the switch may have: devices take no more."""


class UpgradeAgent(Agent):
    """An agent that can also ask for WebSocket."""

    async def upgrade(
        self, origin: Origin, target: bytes, headers: RawHeaders
    ) -> Answer | Switched:
        """
        Ask for WebSocket on a connection of its own, and wait for the head of the answer.

        :param headers: complete, those of the handshake included.
        :returns: the switched connection, or the answer of an upstream that did not switch.
        :raises BadRequestTarget: the target can't be sent; nothing was.
        :raises UpstreamError: no usable answer.
        """
        request = serialized(b"GET", target, headers, None)
        try:
            # A proxy could not make sense of what follows: it has to be tunnelled.
            connection = await self._connect(origin, UpgradeConnection, tunnel=True)
            return await cast(UpgradeConnection, connection).upgrade(request)
        except UpstreamError as error:
            self._count(error)
            raise


class UpgradeConnection(Connection):
    """One connection, for one handshake: an upstream that did not switch is asked nothing else."""

    is_reusable = False

    def __init__(self, origin: Origin, upstream: str, surroundings: Surroundings):
        super().__init__(origin, upstream, surroundings)
        self._clock = surroundings.clock
        self._switched: Switched | None = None

    def connectionMade(self) -> None:
        """The connection stands, for as long as the terminal is open."""
        super().connectionMade()
        tcp = ITCPTransport(self.transport, None)
        if tcp is not None:
            tcp.setTcpKeepAlive(True)

    def upgrade(self, request: bytes) -> Deferred[Answer | Switched]:
        """Send the request; see :meth:`Connection.request`."""
        return cast("Deferred[Answer | Switched]", self.request(request))

    def dataReceived(self, data: bytes) -> None:
        """Bytes came: of an answer, or of whatever follows the switch."""
        if self._switched is not None:
            self._switched.received(data)
        else:
            super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        super().connectionLost(reason)
        if self._switched is not None:
            self._switched.lost()

    def _leaves_http(self, head: ResponseHead, block: bytes, rest: bytes) -> bool:
        if head.code != 101:
            return super()._leaves_http(head, block, rest)
        is_folded = b"\r\n " in block or b"\r\n\t" in block
        if is_folded or len(block) > LONGEST_HEAD or not is_websocket_upgrade(head.fields):
            raise MalformedAnswer("it switches to something that is no WebSocket")
        self._deadline.stop()
        self._switched = Switched(head.fields, self, self._clock)
        self._switched.received(rest)
        asked, self._asked = cast(Any, self._asked), None
        asked.callback(self._switched)
        return True
