"""The device side's HTTP server: routing on the raw path, limits, drain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.web import server
from twisted.web.resource import IResource, Resource

from menderproxy.config.model import Limits
from menderproxy.listen.address_count import AddressCount
from menderproxy.listen.admission import Admission
from menderproxy.listen.refusal import Refusals
from menderproxy.web.access_log import log_request
from menderproxy.web.answers import answer_error
from menderproxy.web.channel import GatewayChannel, Surplus
from menderproxy.web.request import GatewayRequest
from menderproxy.web.statistics import Statistics
from menderproxy.wire.routes import BadTarget, Route, match

# A tunnel to anywhere, and an echo of what a device's request holds.
REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE"})

HEALTH = frozenset({Route.ALIVE, Route.READY})


class ErrorPage(Resource):
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


class CutOff(Resource):
    """
    Answers nothing, and cuts the connection.

    A device tries again then, whereas an error status for an artifact ends its deployment.
    """

    isLeaf = True

    def render(self, request: Any) -> int:
        """Cut."""
        request.abort()
        return server.NOT_DONE_YET


class GatewaySite(server.Site):
    """
    Serves devices.

    :param resources: what answers which route; all others get 404 and reach no upstream.
    :param admission: who is served, while mutual TLS is on.
    :param refusals: the record of who is not.
    :ivar channels: the open connections.
    :ivar draining: no new requests are wanted, but for health.
    :ivar statistics: of what was asked and answered so far.
    """

    protocol = GatewayChannel  # type: ignore[assignment]
    requestFactory = GatewayRequest
    noisy = False

    def __init__(
        self,
        resources: Mapping[Route, IResource],
        limits: Limits,
        reactor: Any,
        admission: Admission | None = None,
        refusals: Refusals | None = None,
    ):
        self._not_found = ErrorPage(404, "not found")
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
        self.statistics = Statistics()
        self._resources = resources
        self._admission = admission
        self.refusals = Refusals() if refusals is None else refusals
        self._addresses = AddressCount()
        self._leaving: set[GatewayChannel] = set()
        self._closes: list[Deferred[None]] = []

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/1.1 only: the upgrade and truncation rules of this gateway are HTTP/1.1's."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection came in; above a limit it is cut at once."""
        if self._is_full(getattr(addr, "host", "")):
            self.statistics.surplus += 1
            return Surplus()
        return super().buildProtocol(addr)

    def _is_full(self, host: str) -> bool:
        return (
            len(self.channels) >= self.limits.max_connections
            or self._addresses[host] >= self.limits.connections_per_address
        )

    def getResourceFor(self, request: GatewayRequest) -> IResource:
        """Route on the raw target: the resource tree would decode it first."""
        method = request.method
        if not (method.isalpha() and method.isupper()) or method in REFUSED_METHODS:
            return ErrorPage(400, "bad method")
        hosts = request.values(b"host")
        if request.clientproto == b"HTTP/1.1" and not hosts:
            return ErrorPage(400, "missing Host header")
        try:
            route = match(request.uri)
        except BadTarget as error:
            return ErrorPage(400, str(error))
        request.route = route
        # A client on microcontrollers says the same one twice when it downloads.
        if len(hosts) > 1 and (route is not Route.ARTIFACT or len(set(hosts)) > 1):
            return ErrorPage(400, "more than one Host header")
        if self._admission is not None and not request.isSecure() and route not in HEALTH:
            # It would be a way around the certificates.
            return ErrorPage(403, "a client certificate is needed: use https")
        if self.draining and request.channel not in self._leaving and route not in HEALTH:
            return CutOff()
        return self._resources.get(route, self._not_found)

    def watch(self, request: GatewayRequest) -> None:
        """Count a request, and log it when it is over."""
        request.began = self.reactor.seconds()
        self.statistics.begin(request)

    def log(self, request: Any) -> None:
        """An answer has ended (called by Twisted, whose own log would show queries)."""
        self._over(request, broken_off=False)

    def broke_off(self, request: GatewayRequest) -> None:
        """A device went away, or was cut off, before its answer ended."""
        # A tunnel is ended by whoever has enough of it: it has no other end.
        self._over(request, broken_off=request.tunnelled is None)

    def _over(self, request: GatewayRequest, *, broken_off: bool) -> None:
        if request.began is not None:
            self.statistics.end(request, broken_off=broken_off)
            log_request(request, self.reactor.seconds() - request.began, broken_off=broken_off)

    def admits(self, channel: GatewayChannel) -> bool:
        """
        Whether the device on a connection is (still) served; if not, that goes on record.

        A connection without TLS has nothing to show, and gets no more than health.
        """
        if self._admission is None or not channel.isSecure():
            return True
        refusal = self._admission.refusal(channel.certificate)
        if refusal is not None:
            self.refusals.record(refusal, channel.device_address)
        return refusal is None

    def review(self) -> None:
        """Cut the devices that would not get in any more."""
        for channel in list(self.channels):
            if channel.has_shaken_hands and not self.admits(channel):
                channel.abort()

    async def drain(self, seconds: float) -> None:
        """
        Let the requests in progress finish, then cut off the rest.

        Who connects from now on gets nothing but health.

        :param seconds: how long they may take.
        """
        self.draining = True
        self._leaving = set(self.channels)
        for channel in list(self.channels):
            channel.close_after_answer()
        deadline = self.reactor.callLater(seconds, self.cut_off)
        await self._until_gone(self._leaving)
        if deadline.active():
            deadline.cancel()

    async def close(self) -> None:
        """Cut every connection, and wait until it is gone."""
        self.cut_off()
        await self._until_gone(self.channels)

    async def _until_gone(self, channels: set[GatewayChannel]) -> None:
        while channels:
            closed: Deferred[None] = Deferred()
            self._closes.append(closed)
            await closed

    def cut_off(self) -> None:
        """Cut every connection."""
        for channel in list(self.channels):
            channel.abort()

    def opened(self, channel: GatewayChannel) -> None:
        """A connection is made."""
        self.channels.add(channel)
        self._addresses.add(channel.device_address)

    def closed(self, channel: GatewayChannel) -> None:
        """A connection is gone."""
        self.channels.discard(channel)
        self._addresses.discard(channel.device_address)
        self._leaving.discard(channel)
        closes, self._closes = self._closes, []
        for deferred in closes:
            deferred.callback(None)
