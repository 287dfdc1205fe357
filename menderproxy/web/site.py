"""The device side's HTTP server: routing on the raw path, limits, drain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.web import server
from twisted.web.resource import IResource, Resource

from menderproxy.config.model import Limits
from menderproxy.web.answers import answer_error
from menderproxy.web.channel import GatewayChannel, Surplus
from menderproxy.web.request import GatewayRequest
from menderproxy.wire.routes import BadTarget, Route, match

# A tunnel to anywhere, and an echo of what a device's request holds.
REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE"})


class Refusal(Resource):
    """
    Answers everything with one error status.

    After 400 the connection is closed: who knows what else on it we read in another way than
    it was meant.
    """

    isLeaf = True

    def __init__(self, status: int, error: str):
        super().__init__()
        self._status = status
        self._error = error

    def render(self, request: Any) -> int:
        """Refuse the request."""
        if self._status == 400:
            request.channel.close_after_answer()
        answer_error(request, self._status, self._error)
        return server.NOT_DONE_YET


class GatewaySite(server.Site):
    """
    Serves devices.

    :param resources: what answers which route; all others get 404 and reach no upstream.
    :ivar channels: the open connections.
    :ivar draining: no new requests are wanted.
    """

    protocol = GatewayChannel  # type: ignore[assignment]
    requestFactory = GatewayRequest
    noisy = False

    def __init__(self, resources: Mapping[Route, IResource], limits: Limits, reactor: Any):
        self._not_found = Refusal(404, "not found")
        super().__init__(
            self._not_found,
            reactor=reactor,
            timeout=limits.idle_timeout,
            parsePOSTFormSubmission=False,
        )
        self.reactor = reactor
        self.limits = limits
        self.channels: set[GatewayChannel] = set()
        self.draining = False
        self._resources = resources
        self._empty: list[Deferred[None]] = []

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/1.1 only: the upgrade and truncation rules of this gateway are HTTP/1.1's."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection came in; above the limit it is cut at once."""
        if self.draining or len(self.channels) >= self.limits.max_connections:
            return Surplus()
        return super().buildProtocol(addr)

    def getResourceFor(self, request: GatewayRequest) -> IResource:
        """Route on the raw target: the resource tree would decode it first."""
        method = request.method
        if not (method.isalpha() and method.isupper()) or method in REFUSED_METHODS:
            return Refusal(400, "bad method")
        if request.clientproto == b"HTTP/1.1" and not request.requestHeaders.hasHeader(b"host"):
            return Refusal(400, "missing Host header")
        try:
            route = match(request.uri)
        except BadTarget as error:
            return Refusal(400, str(error))
        return self._resources.get(route, self._not_found)

    def log(self, request: Any) -> None:
        """Twisted's own access log, off: it leaves out what breaks, and shows queries."""

    async def drain(self, seconds: float) -> None:
        """
        Let the requests in progress finish, then cut off the rest.

        :param seconds: how long they may take.
        """
        self.draining = True
        for channel in list(self.channels):
            channel.close_after_answer()
        deadline = self.reactor.callLater(seconds, self.cut_off)
        while self.channels:
            emptied: Deferred[None] = Deferred()
            self._empty.append(emptied)
            await emptied
        if deadline.active():
            deadline.cancel()

    def cut_off(self) -> None:
        """Cut every connection."""
        for channel in list(self.channels):
            channel.abort()

    def closed(self, channel: GatewayChannel) -> None:
        """A connection is gone."""
        self.channels.discard(channel)
        if not self.channels:
            empty, self._empty = self._empty, []
            for deferred in empty:
                deferred.callback(None)
