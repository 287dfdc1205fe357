"""One device's request, with its whole, bounded body in memory."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from twisted.web import http, server

from menderproxy.wire.routes import Route

if TYPE_CHECKING:
    from menderproxy.web.channel import GatewayChannel
    from menderproxy.web.site import GatewaySite


class GatewayRequest(server.Request):
    """
    A request, and the answer to it.

    :ivar tunnelled: bytes that the device sent since the protocol was switched; ``None`` as long
        as it is HTTP.
    :ivar route: what it asks for, as far as that is known.
    :ivar cache_outcome: where an artifact came from, for the log; ``None`` for all other requests.
    """

    channel: GatewayChannel
    site: GatewaySite
    defaultContentType = None
    tunnelled: int | None = None
    route = Route.UNKNOWN
    cache_outcome: str | None = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._refused = False
        self._body_size = 0

    # From the parser

    def gotLength(self, length: int | None) -> None:
        """The headers are in."""
        expects = self.requestHeaders.hasHeader(b"expect")
        # Twisted would say 100 Continue by itself, to requests that we refuse as well.
        self.requestHeaders.removeHeader(b"expect")
        self.content = BytesIO()
        if length is not None and length > self._most:
            self._refuse()
        elif expects and length != 0 and self.channel._version == b"HTTP/1.1":
            self.channel._send100Continue()

    def handleContentChunk(self, data: bytes) -> None:
        """A part of the body is in."""
        self._body_size += len(data)
        if self._body_size > self._most:
            self._refuse()
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The request is complete."""
        if not self._refused:
            super().requestReceived(command, path, version)

    def process(self) -> None:
        """Answer the request (without naming our software to strangers, as Twisted would)."""
        self.site = self.channel.site
        self.site.watch(self)
        self.setHeader(b"date", http.datetimeToString())
        if self.site.admits(self.channel):
            self.render(self.site.getResourceFor(self))
        else:
            self.abort()

    @property
    def _most(self) -> int:
        return self.channel.site.limits.max_request_body

    def _refuse(self) -> None:
        if not self._refused:
            self._refused = True
            self.channel.refuse(413)

    # What the device asks

    @property
    def body(self) -> bytes:
        """The whole body."""
        return cast(BytesIO, self.content).getvalue()

    @property
    def bytes_received(self) -> int:
        """Bytes of the body, or of what the device sent through a tunnel."""
        return self._body_size if self.tunnelled is None else self.tunnelled

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

    # What it gets

    @property
    def is_open(self) -> bool:
        """Whether the answer has not ended, and there is still somebody to take it."""
        # Twisted takes the channel away at either end.
        return getattr(self, "channel", None) is not None

    def clear_answer(self) -> None:
        """Forget the headers that were meant for another answer than the one to come."""
        for name, _ in list(self.responseHeaders.getAllRawHeaders()):
            if name.lower() not in (b"connection", b"date"):
                self.responseHeaders.removeHeader(name)

    def abort(self) -> None:
        """Cut the connection: nothing of this answer may look whole."""
        if self.is_open:
            self.channel.abort()
