"""One device's connection: deadlines, limits, and how each of them ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web import http
from zope.interface import implementer

from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.handshake import handshake_refusal
from menderproxy.listen.tls import client_certificate
from menderproxy.web.access_log import log_refusal
from menderproxy.web.sockets import bytes_taken, limit_unsent

if TYPE_CHECKING:
    from menderproxy.web.request import GatewayRequest
    from menderproxy.web.site import GatewaySite
    from menderproxy.web.tunnel import Tunnel

CLOSE_TIMEOUT = 5.0
"""Seconds in which a connection that is to be closed has to make some progress towards that."""


@implementer(IHandshakeListener)
class GatewayChannel(http.HTTPChannel):
    """
    A connection that nobody can hold open by doing little.

    Twisted's idle timeout starts anew with every byte and is off while a request is served;
    its TLS shutdown waits for the peer for ever. So there is an absolute deadline for the
    headers, one for the request's body, and one for each close.

    :ivar has_shaken_hands: TLS stands.
    :ivar certificate: that the device showed; it is asked for one only with mutual TLS.
    """

    certificate: ClientCertificate | None = None

    site: GatewaySite
    requests: list[GatewayRequest]
    # Twisted's own patience after an idle timeout: closing has its deadline here already.
    abortTimeout = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self._deadline: IDelayedCall | None = None
        self._closing: IDelayedCall | None = None
        self._has_asked = False
        self._tunnel: Tunnel | None = None
        self.has_shaken_hands = False

    # From the transport

    def connectionMade(self) -> None:
        """A device connected."""
        super().connectionMade()
        self.site.channels.add(self)
        self._set_deadline(self.site.limits.header_timeout)
        tcp = ITCPTransport(self.transport, None)
        if tcp is not None:
            tcp.setTcpKeepAlive(True)
            limit_unsent(tcp)

    def handshakeCompleted(self) -> None:
        """TLS stands."""
        self.has_shaken_hands = True
        self.certificate = client_certificate(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Bytes came: those of a next request start its deadline."""
        if self._closing is not None:
            # TLS goes on to deliver, and behind a refused head another one would be served.
            return
        if self._tunnel is not None:
            self._tunnel.device_data(data)
            return
        if self._deadline is None and not self.requests:
            self._set_deadline(self.site.limits.header_timeout)
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._set_deadline(None)
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        refusal = None if self.has_shaken_hands else handshake_refusal(reason)
        if refusal is not None:
            self.site.refusals.record(refusal, self.device_address)
        super().connectionLost(reason)
        self.site.closed(self)

    # From the parser

    def lineReceived(self, line: bytes) -> None:
        """One line of a request's head came."""
        if line.startswith((b" ", b"\t")):
            # A folded header: we and the upstream might see two different requests.
            self._respondToBadRequestAndDisconnect()
        else:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line is longer than any head may be."""
        self._respondToBadRequestAndDisconnect()

    def allHeadersReceived(self) -> None:
        """The head of a request is complete: now its body has to come."""
        self._has_asked = True
        self._set_deadline(self.site.limits.body_timeout)
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        """A request is complete."""
        self._set_deadline(None)
        super().allContentReceived()

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """Whether the connection may stay open after this request."""
        options = b",".join(request.requestHeaders.getRawHeaders(b"connection", []))
        asked_to_close = b"close" in [option.strip().lower() for option in options.split(b",")]
        if version == b"HTTP/1.1" and not asked_to_close and not self.site.draining:
            return True
        request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return False

    def _respondToBadRequestAndDisconnect(self) -> None:
        # Twisted's own answer has no Content-Length: a body that ends with the connection.
        self.refuse(400)

    # Another protocol

    @property
    def early_data(self) -> bytes:
        """What came behind the request in progress."""
        return b"".join(self._dataBuffer)

    def switch_protocols(self, head: bytes, tunnel: Tunnel) -> None:
        """
        Speak HTTP no more.

        :param head: of the last answer, written out.
        :param tunnel: gets all that comes from now on, and what came early.
        """
        self.persistent = False
        early, self._dataBuffer = self.early_data, []
        self._tunnel = tunnel
        cast(Any, self.transport).write(head)
        # Twisted pauses a device that sends much behind a request.
        cast(Any, self.transport).resumeProducing()
        if early:
            tunnel.device_data(early)

    # The ends

    def loseConnection(self) -> None:
        """
        Send what is left, then close.

        A slow device gets the time it needs, as long as it takes something; one that takes
        nothing, or has all and still won't let go, is cut off.
        """
        self._set_deadline(None)
        if self._closing is None:
            self._await_close(self._clock.seconds() + self.site.limits.write_stall)
        super().loseConnection()

    @property
    def device_address(self) -> str:
        """The device's IP address."""
        return str(getattr(self.getPeer(), "host", "")).removeprefix("::ffff:")

    def abort(self) -> None:
        """Cut the connection at once, so that the device can't take a part for the whole."""
        cast(Any, self.transport).abortConnection()

    def refuse(self, status: int) -> None:
        """Refuse the request that is still coming in, and close."""
        log_refusal(status, self.getPeer())
        self.site.statistics.refuse(status)
        self.persistent = False
        cast(Any, self.transport).write(
            b"HTTP/1.1 %d %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            % (status, http.RESPONSES[status])
        )
        self.loseConnection()

    def close_after_answer(self) -> None:
        """
        Take no more requests; close once the one in progress is answered, if there is one.

        A device that connected a moment ago is about to ask: it gets its answer, too. A tunnel
        could go on for ever: it is closed now.
        """
        if self._tunnel is not None:
            self._tunnel.finished()
        elif self.requests:
            self.persistent = False
            self.requests[0].responseHeaders.setRawHeaders(b"connection", [b"close"])
        elif self._has_asked:
            self.loseConnection()

    # Timers

    @property
    def _clock(self) -> Any:
        return self.site.reactor

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None if seconds is None else self._clock.callLater(seconds, self.abort)

    def _await_close(self, deadline: float) -> None:
        self._closing = self._clock.callLater(
            CLOSE_TIMEOUT, self._look_at_close, deadline, bytes_taken(self.transport)
        )

    def _look_at_close(self, deadline: float, taken: int) -> None:
        if self._clock.seconds() < deadline and bytes_taken(self.transport) > taken:
            self._await_close(deadline)
        else:
            self.abort()


class Surplus(Protocol):
    """
    A connection above the limit: cut as soon as it is made.

    To refuse it by making no protocol at all would do for TCP, but leaves a TLS connection
    half made and open for ever.
    """

    def connectionMade(self) -> None:
        """A device connected."""
        cast(Any, self.transport).abortConnection()
