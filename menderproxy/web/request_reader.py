"""Whole requests, cut out of the bytes that a device sends."""

from __future__ import annotations

from menderproxy.web.request_body import Refused, RequestBody, request_body
from menderproxy.wire.request_head import LIMIT, BadHead, RequestHead

_END = b"\r\n\r\n"
_LINE_END = b"\r\n"


class RequestReader:
    """
    Takes bytes, and gives requests.

    A head is looked at once, when all of it is here. Twisted's reader goes from line to line,
    which costs as much as all the rest of a short request.

    :param most: bytes that a body may have.
    :ivar head: of the request whose body is awaited.
    """

    __slots__ = ("_body", "_buffer", "_may_skip", "_most", "_searched", "head")

    def __init__(self, most: int):
        self.head: RequestHead | None = None
        self._most = most
        self._buffer = b""
        self._searched = 0
        self._may_skip = True
        self._body: RequestBody | None = None

    @property
    def buffered(self) -> bytes:
        """What no request was made of yet, but for the body that is on its way."""
        return self._buffer

    def feed(self, data: bytes) -> None:
        """Keep what a device sent."""
        self._buffer = self._buffer + data if self._buffer else data

    def take_rest(self) -> bytes:
        """Give up all that is buffered: it is no HTTP."""
        rest, self._buffer = self._buffer, b""
        self._searched = 0
        return rest

    def take(self) -> tuple[RequestHead, bytes] | None:
        """
        Give the next request with its body, if it is whole.

        :raises Refused: what came is no request, or too large.
        """
        head = self.head or self._take_head()
        if head is None:
            return None
        if self._body is None:
            # The usual request has none.
            body = b""
        elif not self._fill(self._body):
            return None
        else:
            body = self._body.content
        self.head = self._body = None
        return head, body

    def _fill(self, body: RequestBody) -> bool:
        rest = body.feed(self.take_rest())
        self._buffer = rest or b""
        return rest is not None

    def _take_head(self) -> RequestHead | None:
        self._skip_line_end()
        end = self._buffer.find(_END, self._searched)
        if (len(self._buffer) if end < 0 else end) > LIMIT:
            raise Refused(400)
        if end < 0:
            # An end that is half here begins in the last three bytes.
            self._searched = max(0, len(self._buffer) - 3)
            return None
        try:
            head = RequestHead.parse(self._buffer[:end])
        except BadHead:
            raise Refused(400) from None
        self._buffer = self._buffer[end + len(_END) :]
        self._searched = 0
        self._may_skip = True
        if head.length != 0:
            self._body = request_body(head.length, self._most)
        self.head = head
        return head

    def _skip_line_end(self) -> None:
        """Pass over one empty line before a request, as some clients send it behind a body."""
        if self._may_skip and self._buffer.startswith(_LINE_END):
            self._may_skip = False
            self._buffer = self._buffer[len(_LINE_END) :]
