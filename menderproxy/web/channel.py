"""One device's connection: deadlines, limits, and how each of them ends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import (
    IAddress,
    IHandshakeListener,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web import http
from zope.interface import implementer

from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.handshake import handshake_refusal
from menderproxy.listen.peer import ip_address
from menderproxy.listen.tls import client_certificate
from menderproxy.transport.deadline import Deadline
from menderproxy.transport.spans import SpanSending
from menderproxy.web.access_log import log_refusal
from menderproxy.web.request_body import Refused
from menderproxy.web.request_reader import RequestReader
from menderproxy.web.sockets import bytes_taken
from menderproxy.wire.request_head import RequestHead
from menderproxy.wire.span import Span

if TYPE_CHECKING:
    from menderproxy.web.request import GatewayRequest
    from menderproxy.web.site import GatewaySite
    from menderproxy.web.tunnel import Tunnel

CLOSE_TIMEOUT = 5.0
"""Seconds in which a connection that is to be closed has to make some progress towards that."""

EARLY = 16 * 1024
"""Bytes that a device may send behind a request in progress; from there on they wait outside."""


@implementer(IHandshakeListener)
class GatewayChannel(http.HTTPChannel):
    """
    A connection that nobody can hold open by doing little.

    Of Twisted's class only the side remains that requests write to. It reads line by line, and
    takes folded headers; its idle timeout starts anew with every byte and is off while a request
    is served; its TLS shutdown waits for the peer for ever. So there is an absolute deadline for
    the headers, one for the request's body, and one for each close.

    :ivar has_shaken_hands: TLS stands.
    :ivar device_address: the device's IP address.
    :ivar certificate: that the device showed; it is asked for one only with mutual TLS.
    """

    certificate: ClientCertificate | None = None

    site: GatewaySite
    requests: list[GatewayRequest]
    requestFactory: type[GatewayRequest]

    def __init__(self) -> None:
        super().__init__()
        self._is_reading = False
        self._is_closing = False
        self._has_asked = False
        self._is_secure = False
        self._may_be_paused = False
        self._awaited: RequestHead | None = None
        self._cut_at: float | None = None
        self._local: IAddress | None = None
        self._tunnel: Tunnel | None = None
        self.has_shaken_hands = False

    # From the transport

    def connectionMade(self) -> None:
        """A device connected."""
        # Twisted's timer is moved with every byte, and ours seldom.
        self.timeOut = None
        super().connectionMade()
        self._clock: Any = self.site.reactor
        self._peer: IAddress = super().getPeer()
        self.device_address = ip_address(self._peer)
        self._is_secure = ISSLTransport.providedBy(self.transport)
        self._reader = RequestReader(self.site.limits.max_request_body)
        # Most connections are closed by the time at which that deadline would be set anew.
        self._deadline = Deadline(self._clock, self.abort, soonest=CLOSE_TIMEOUT)
        self._cut_at = self._clock.seconds() + self.site.limits.header_timeout
        self._await_more()
        self.site.opened(self)
        tcp = ITCPTransport(self.transport, None)
        if tcp is not None:
            tcp.setTcpKeepAlive(True)

    def handshakeCompleted(self) -> None:
        """TLS stands."""
        self.has_shaken_hands = True
        self.certificate = client_certificate(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Bytes came."""
        if self._is_closing:
            # TLS goes on to deliver, and behind a refused head another one would be served.
            return
        if self._tunnel is not None:
            self._tunnel.device_data(data)
            return
        self._reader.feed(data)
        self._read()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._deadline.stop()
        refusal = None if self.has_shaken_hands else handshake_refusal(reason)
        if refusal is not None:
            self.site.refusals.record(refusal, self.device_address)
        super().connectionLost(reason)
        self.site.closed(self)

    # Requests, one after the other

    def _read(self) -> None:
        """Serve what is here. An answer given at once must not lead deeper and deeper."""
        if self._is_reading:
            return
        self._is_reading = True
        try:
            while not self._handlingRequest and not self._is_closing:
                complete = self._reader.take()
                if complete is None:
                    self._await_more()
                    break
                self._serve(*complete)
        except Refused as refused:
            self.refuse(refused.status)
        finally:
            self._is_reading = False
        if self._handlingRequest and len(self._reader.buffered) > EARLY:
            self._may_be_paused = True
            self._networkProducer.pauseProducing()

    def _serve(self, head: RequestHead, body: bytes) -> None:
        self._has_asked = True
        self._handlingRequest = True
        self._awaited = self._cut_at = None
        self._deadline.call_off()
        if head.wants_close or self.site.draining:
            self.persistent = False
        request = self.requestFactory(self)
        self.requests.append(request)
        request.received(head, body)

    def requestDone(self, request: http.Request) -> None:
        """An answer has ended (called by its request)."""
        self.requests.remove(cast("GatewayRequest", request))
        self._handlingRequest = False
        if self._may_be_paused and not self._waitingForTransport:
            self._may_be_paused = False
            self._networkProducer.resumeProducing()
        if self.persistent:
            self._read()
        else:
            self.loseConnection()

    def _await_more(self) -> None:
        """Wait for the rest of a request, or for the next one, but not for ever."""
        now = self._clock.seconds()
        limits = self.site.limits
        head = self._reader.head
        if head is not None and head is not self._awaited:
            self._awaited = head
            self._cut_at = now + limits.body_timeout
            if head.wants_continue:
                self._send100Continue()
        elif self._cut_at is None and self._reader.buffered:
            self._cut_at = now + limits.header_timeout
        left = limits.idle_timeout
        self._deadline.expired = self.loseConnection
        if self._cut_at is not None and self._cut_at - now <= left:
            left = max(0.0, self._cut_at - now)
            self._deadline.expired = self.abort
        self._deadline.set(left)

    # What requests ask of their connection

    def getPeer(self) -> IAddress:
        """The device's address."""
        return self._peer

    def getHost(self) -> IAddress:
        """Our own address, which the kernel is asked for once."""
        if self._local is None:
            self._local = cast(IAddress, super().getHost())
        return self._local

    def isSecure(self) -> bool:
        """Whether the device came by TLS."""
        return self._is_secure

    def pauseProducing(self) -> None:
        """The device takes no more for now: it may not go on asking, either."""
        self._may_be_paused = True
        super().pauseProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let a producer write; it is told at once if there is no room for that now."""
        super().registerProducer(producer, streaming)
        if streaming and self._waitingForTransport:
            producer.pauseProducing()

    def write_span(self, span: Span) -> bool:
        """
        Send a part of a file in an answer, if this connection can send files.

        :returns: ``False`` when it can't: who wants to send has to write bytes.
        """
        if not isinstance(self.transport, SpanSending):
            return False
        self.transport.write_span(span)
        return True

    # Another protocol

    @property
    def early_data(self) -> bytes:
        """What came behind the request in progress."""
        return self._reader.buffered

    def switch_protocols(self, head: bytes, tunnel: Tunnel) -> None:
        """
        Speak HTTP no more.

        :param head: of the last answer, written out.
        :param tunnel: gets all that comes from now on, and what came early.
        """
        self.persistent = False
        early = self._reader.take_rest()
        self._tunnel = tunnel
        cast(Any, self.transport).write(head)
        # A device that sends much behind a request is paused.
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
        if not self._is_closing:
            self._is_closing = True
            self._await_close(self._clock.seconds() + self.site.limits.write_stall)
        super().loseConnection()

    def abort(self) -> None:
        """Cut the connection at once, so that the device can't take a part for the whole."""
        cast(Any, self.transport).abortConnection()

    def refuse(self, status: int) -> None:
        """Refuse the request that is still coming in, and close."""
        log_refusal(status, self.device_address)
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
        elif self.requests or self._reader.head or self._reader.buffered:
            self.persistent = False
        elif self._has_asked:
            self.loseConnection()

    # Timers

    def _await_close(self, deadline: float) -> None:
        taken = bytes_taken(self.transport)
        self._deadline.expired = partial(self._look_at_close, deadline, taken)
        self._deadline.set(CLOSE_TIMEOUT)

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
