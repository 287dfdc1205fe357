"""One device's connection and its requests: deadlines, limits, and how each of them ends."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IDelayedCall, ITCPTransport
from twisted.python.failure import Failure
from twisted.web import http, server

from menderproxy.web.access_log import AccessLog

if TYPE_CHECKING:
    from menderproxy.web.site import GatewaySite

CLOSE_TIMEOUT = 5.0
NOT_SENT = 128 * 1024
TCP_NOTSENT_LOWAT = 25

_TOO_LARGE = b"HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class GatewayChannel(http.HTTPChannel):
    """
    A connection that nobody can hold open by doing little.

    Twisted's idle timeout starts anew with every byte and is off while a request is served;
    its TLS shutdown waits for the peer for ever. So there is an absolute deadline for the
    headers, one for the request's body, and one for each close.
    """

    site: GatewaySite

    def __init__(self) -> None:
        super().__init__()
        self._deadline: IDelayedCall | None = None
        self._closing: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """A device connected."""
        super().connectionMade()
        self.site.channels.add(self)
        self._set_deadline(self.site.limits.header_timeout)
        tcp = ITCPTransport(self.transport, None)
        if tcp is not None:
            tcp.setTcpKeepAlive(True)
            _limit_unsent(tcp)

    def dataReceived(self, data: bytes) -> None:
        """Bytes came: those of a next request start its deadline."""
        if self._deadline is None and not self.requests:
            self._set_deadline(self.site.limits.header_timeout)
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        """The head of a request is complete: now its body has to come."""
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

    def loseConnection(self) -> None:
        """Send what is left, then close; a peer that won't let go is cut off."""
        self._set_deadline(None)
        if self._closing is None:
            self._closing = self.callLater(CLOSE_TIMEOUT, self._cut)
        super().loseConnection()

    def abort(self) -> None:
        """Cut the connection at once, so that the device can't take a part for the whole."""
        if self.transport is not None:
            cast(Any, self.transport).abortConnection()

    def connectionLost(self, reason: Failure = Failure(Exception("lost"))) -> None:  # noqa: B008
        """The connection is gone."""
        self.site.closed(self)
        self._set_deadline(None)
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._closing = None
        super().connectionLost(reason)

    @property
    def busy(self) -> bool:
        """Whether a request is being received or answered."""
        return bool(self.requests)

    def answer_and_close(self, response: bytes) -> None:
        """Refuse the request that is still coming in."""
        self.persistent = False
        cast(Any, self.transport).write(response)
        self.loseConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        # Twisted's own answer has no Content-Length: a body that ends with the connection.
        self.answer_and_close(_BAD_REQUEST)

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.callLater(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._deadline = None
        self.abort()

    def _cut(self) -> None:
        self._closing = None
        self.abort()


class GatewayRequest(server.Request):
    """A request with its whole, bounded body in memory."""

    channel: GatewayChannel
    # Twisted makes it None when the device is gone, against its own annotation.
    site: GatewaySite
    defaultContentType = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._refused = False
        self._body_size = 0

    def gotLength(self, length: int | None) -> None:
        """The headers are in."""
        expects = self.requestHeaders.hasHeader(b"expect")
        # Twisted would say 100 Continue by itself, to requests that we refuse as well.
        self.requestHeaders.removeHeader(b"expect")
        self.content = BytesIO()
        if length is not None and length > self.channel.site.limits.max_request_body:
            self._refuse()
        elif expects and length and self.channel._version == b"HTTP/1.1":
            self.channel._send100Continue()

    def handleContentChunk(self, data: bytes) -> None:
        """A part of the body is in."""
        self._body_size += len(data)
        if self._body_size > self.channel.site.limits.max_request_body:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The request is complete."""
        if not self._refused:
            super().requestReceived(command, path, version)

    def process(self) -> None:
        """Answer the request."""
        AccessLog.watch(self)
        super().process()

    def abort(self) -> None:
        """Cut the connection: nothing of this answer may look whole."""
        if self.channel is not None:
            self.channel.abort()

    @property
    def body(self) -> bytes:
        """The whole body."""
        return cast(BytesIO, self.content).getvalue()

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers of the request, duplicates included."""
        return [
            (name, value)
            for name, values in self.requestHeaders.getAllRawHeaders()
            for value in values
        ]

    @property
    def device_address(self) -> str:
        """The device's IP address."""
        return str(getattr(self.getClientAddress(), "host", "")).removeprefix("::ffff:")

    def _refuse(self) -> None:
        if not self._refused:
            self._refused = True
            self.channel.answer_and_close(_TOO_LARGE)


def _limit_unsent(transport: ITCPTransport) -> None:
    """
    Let the kernel hold little that was not sent yet.

    By default it buffers up to 4 MiB for each slow device, which is memory, and hides from us
    for minutes that the device takes nothing.
    """
    import socket

    handle = cast(Any, transport).getHandle()
    if isinstance(handle, socket.socket) and handle.family != socket.AF_UNIX:
        handle.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT)
