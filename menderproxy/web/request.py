"""One device's request, with its whole, bounded body in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http import NO_BODY_CODES, datetimeToString
from twisted.web.http_headers import Headers

from menderproxy.web.lazy_request import LazyRequest
from menderproxy.wire.routes import Route
from menderproxy.wire.span import Span

if TYPE_CHECKING:
    from menderproxy.web.channel import GatewayChannel
    from menderproxy.web.site import GatewaySite


class GatewayRequest(LazyRequest):
    """
    A request, and the answer to it.

    :ivar began: when it was complete, in seconds of the reactor.
    :ivar answering: what works on the answer, to be cancelled when the device goes away.
    :ivar tunnelled: bytes that the device sent since the protocol was switched; ``None`` as long
        as it is HTTP.
    :ivar route: what it asks for, as far as that is known.
    :ivar cache_outcome: where an artifact came from, for the log; ``None`` for all other requests.
    """

    channel: GatewayChannel
    site: GatewaySite
    defaultContentType = None
    began: float | None = None
    answering: Deferred[None] | None = None
    tunnelled: int | None = None
    route = Route.UNKNOWN
    cache_outcome: str | None = None
    _taken_over: Sequence[tuple[bytes, bytes]] = ()
    _may_have_body = True

    # The same as Twisted's, which is written in Python.
    __hash__ = object.__hash__

    def process(self) -> None:
        """Answer the request (without naming our software to strangers, as Twisted would)."""
        self.site = self.channel.site
        self.site.watch(self)
        if not self.site.admits(self.channel):
            self.abort()
            return
        try:
            self.render(self.site.getResourceFor(self))
        except Exception:
            # It must not reach whoever finished the request before this one.
            self._log.failure("while rendering")
            self.abort()

    def connectionLost(self, reason: Failure) -> None:
        """The device is gone."""
        self.site.broke_off(self)
        super().connectionLost(reason)
        if self.answering is not None:
            self.answering.cancel()

    # What the device asks

    @property
    def bytes_received(self) -> int:
        """Bytes of the body, or of what the device sent through a tunnel."""
        return len(self.body) if self.tunnelled is None else self.tunnelled

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers of the request as they came, duplicates included."""
        return self.head.headers

    def values(self, name: bytes) -> list[bytes]:
        """
        Give all values of one header of the request.

        :param name: in lower case.
        """
        return self.head.fields.get(name, [])

    @property
    def authorization(self) -> bytes | None:
        """Who asks, as the last header of that name says."""
        values = self.values(b"authorization")
        return values[-1] if values else None

    @property
    def device_address(self) -> str:
        """The device's IP address."""
        return self.channel.device_address

    # What it gets

    @property
    def is_open(self) -> bool:
        """Whether the answer has not ended, and there is still somebody to take it."""
        # Twisted takes the channel away at either end.
        return getattr(self, "channel", None) is not None

    def take_over(self, code: int, phrase: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """
        Answer with somebody else's status and headers.

        The headers go out before our own, in their order and spelled as they came. Twisted's
        container of headers would sort them by name, and takes its time for it.
        """
        self.setResponseCode(code, phrase)
        self._taken_over = headers

    def answer_header(self, name: bytes) -> bytes | None:
        """
        Give the first value of one header of the answer.

        :param name: in lower case.
        """
        for one, value in self._taken_over:
            if one.lower() == name:
                return value
        own = self.responseHeaders.getRawHeaders(name)
        return own[0] if own else None

    def clear_answer(self) -> None:
        """Forget the headers that were meant for another answer than the one to come."""
        self._taken_over = ()
        self.responseHeaders = Headers()

    def write(self, data: bytes) -> None:
        """Send bytes of the body; the head goes with the first ones, in one piece."""
        if self.finished:
            raise RuntimeError("bytes for an answer that has ended")
        if self._disconnected or self._inFakeHead:
            return
        head = b"" if self.startedWriting else self._begin_answer()
        if not self._may_have_body:
            data = b""
        self.sentLength += len(data)
        if self.chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if head or data:
            self.channel.write(head + data)

    def write_span(self, span: Span) -> bool:
        """
        Send a part of a file, after the head; who has it counts what went out.

        :returns: ``False`` when this connection takes bytes only.
        """
        if not self.startedWriting:
            self.write(b"")
        return self.channel.write_span(span)

    def abort(self) -> None:
        """Cut the connection: nothing of this answer may look whole."""
        if self.is_open:
            self.channel.abort()

    def _begin_answer(self) -> bytes:
        self.startedWriting = 1
        self._may_have_body = self.method != b"HEAD" and self.code not in NO_BODY_CODES
        self._complete_headers(self.responseHeaders)
        lines = [b"%b %d %b" % (self.clientproto, self.code, self.code_message)]
        lines += [b"%b: %b" % header for header in self._taken_over]
        for name, values in self.responseHeaders.getAllRawHeaders():
            lines += [b"%b: %b" % (name, value) for value in values]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _complete_headers(self, headers: Headers) -> None:
        if self.answer_header(b"date") is None:
            headers.addRawHeader(b"date", _http_date(int(time.time())))
        if not self.channel.persistent:
            headers.setRawHeaders(b"connection", [b"close"])
        if self.etag is not None:
            headers.setRawHeaders(b"etag", [self.etag])
        if self.lastModified is not None and not headers.hasHeader(b"last-modified"):
            headers.setRawHeaders(b"last-modified", [datetimeToString(self.lastModified)])
        for cookie in self.cookies:
            headers.addRawHeader(b"set-cookie", cookie)
        unknown_length = self._may_have_body and not headers.hasHeader(b"content-length")
        if unknown_length and self.clientproto == b"HTTP/1.1":
            headers.setRawHeaders(b"transfer-encoding", [b"chunked"])
            self.chunked = 1


@lru_cache(1)
def _http_date(second: int) -> bytes:
    date: bytes = datetimeToString(second)
    return date
