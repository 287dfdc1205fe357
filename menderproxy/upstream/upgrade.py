"""From HTTP to WebSocket: the handshake with an upstream."""

from __future__ import annotations

import re
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import HTTP11ClientProtocol  # type: ignore[attr-defined]
from twisted.web.client import Request as ClientRequest  # type: ignore[attr-defined]
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from menderproxy.upstream.agent import Agent, RawHeaders, Timeouts
from menderproxy.upstream.answer import Answer, abort
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.errors import (
    BadRequestTarget,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    sort_out,
)
from menderproxy.upstream.switched import Switched
from menderproxy.wire.headers import is_websocket_upgrade

LONGEST_HEAD = 8 * 1024
"""Bytes that the head of an interim answer, or of the switch itself, may have."""

_INTERIM = b"HTTP/1.1 1"
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)


class UpgradeAgent(Agent):
    """
    An agent that can also ask for WebSocket.

    Twisted's HTTP client knows no upgrades: it drops a ``101`` like any other interim answer.
    """

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
        request = _get(target, headers)
        with self._counting_trouble():
            connection = cast(UpgradeClient, await self._connect(origin, self._dial))
            self._used.add(connection)
            return await connection.upgrade(request)

    def _dial(self, origin: Origin, _: IStreamClientEndpoint) -> Deferred[HTTP11ClientProtocol]:
        # A proxy could not make sense of what follows: it has to be tunnelled.
        endpoint = self._connector.endpoint(origin, tunnel=True)
        # A new one for each attempt: a name may have several addresses, tried at once.
        factory = Factory.forProtocol(
            lambda: UpgradeClient(self._reactor, str(origin), self._timeouts)
        )
        connecting: Deferred[Any] = endpoint.connect(factory)
        return connecting


class UpgradeClient(HTTP11ClientProtocol):
    """
    One connection, for one handshake.

    :param upstream: whom it leads to, for error messages.
    """

    def __init__(self, reactor: IReactorTime, upstream: str, timeouts: Timeouts):
        # An upstream that did not switch is asked nothing else.
        super().__init__(  # type: ignore[no-untyped-call]
            lambda connection: connection.transport.loseConnection()
        )
        self._reactor = reactor
        self._upstream = upstream
        self._timeouts = timeouts
        self._head = b""
        self._is_ordinary = False
        self._switched: Switched | None = None
        self._outcome: Deferred[Answer | Switched] | None = None
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """The connection stands."""
        super().connectionMade()
        tcp = ITCPTransport(self.transport, None)
        if tcp is not None:
            tcp.setTcpKeepAlive(True)

    def upgrade(self, request: ClientRequest) -> Deferred[Answer | Switched]:
        """
        Send the request.

        :returns: what came of it; or fails with an ``UpstreamError``. May be cancelled.
        """
        outcome: Deferred[Answer | Switched] = Deferred(lambda _: self._give_up(None))
        self._outcome = outcome
        seconds = self._timeouts.response
        late = UpstreamTimeout(f"{self._upstream}: no answer within {seconds:g} s")
        self._deadline = self._reactor.callLater(seconds, self._give_up, late)
        # Of a switched connection Twisted's client hears nothing more until it is lost.
        self.request(request).addCallbacks(self._answered, self._failed)
        return outcome

    def dataReceived(self, data: bytes) -> None:
        """Bytes came: of an answer, or of whatever follows the switch."""
        if self._switched is not None:
            self._switched.received(data)
        elif self._is_ordinary:
            super().dataReceived(data)  # type: ignore[no-untyped-call]
        else:
            self._head += data
            self._look_at_head()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        if self._switched is not None:
            self._switched.lost()

    def _look_at_head(self) -> None:
        while self._head.startswith(_INTERIM):
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if len(head) > LONGEST_HEAD:
                self._give_up(self._unusable("the head of its answer is too long"))
                return
            if not end:
                return
            self._head = rest
            status, *lines = head.split(b"\r\n")
            if status.split(b" ")[1] == b"101":
                self._switch(lines)
                return
        if not _INTERIM.startswith(self._head):
            self._is_ordinary = True
            super().dataReceived(self._head)  # type: ignore[no-untyped-call]

    def _switch(self, lines: list[bytes]) -> None:
        fields = [_HEADER.fullmatch(line) for line in lines]
        headers = [(field[1], field[2]) for field in fields if field is not None]
        if None in fields or not is_websocket_upgrade(headers):
            self._give_up(self._unusable("it switches to something that is no WebSocket"))
            return
        self._switched = Switched(headers, self, self._reactor)
        self._switched.received(self._head)
        self._settle(self._switched)

    def _answered(self, response: IResponse) -> None:
        timeout = self._timeouts.idle
        self._settle(Answer(response, self, self._reactor, timeout, release=lambda: None))

    def _failed(self, failure: Failure) -> None:
        if self._outcome is not None:
            self._give_up(sort_out(failure, self._upstream))

    def _unusable(self, why: str) -> UpstreamError:
        return UpstreamUnavailable(f"{self._upstream}: {why}")

    def _give_up(self, error: UpstreamError | None) -> None:
        abort(self)
        self._settle(None if error is None else Failure(error))

    def _settle(self, result: Answer | Switched | Failure | None) -> None:
        outcome, self._outcome = self._outcome, None
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        if outcome is not None and result is not None:
            outcome.callback(result)


def _get(target: bytes, headers: RawHeaders) -> ClientRequest:
    grouped = Headers()
    for name, value in headers:
        grouped.addRawHeader(name, value)
    try:
        # Not persistent would be said in a "Connection" header of Twisted's own.
        return ClientRequest(b"GET", target, grouped, None, persistent=True)
    except ValueError:
        raise BadRequestTarget("the target holds bytes not allowed there") from None
