"""What a resource of Twisted expects to find in a request, made when it is looked for."""

from __future__ import annotations

from functools import cached_property
from io import BytesIO
from urllib.parse import unquote_to_bytes

from twisted.web import server
from twisted.web.http import parse_qs
from twisted.web.http_headers import Headers

from menderproxy.wire.request_head import RequestHead


class LazyRequest(server.Request):
    """
    A request that is not taken apart in advance.

    The resources of the gateway use the head as it came. Others, that an application puts beside
    them, find headers, arguments, cookies, paths and sessions where Twisted has them.

    :ivar head: as it came.
    :ivar body: the whole body.
    """

    head: RequestHead
    body = b""

    def received(self, head: RequestHead, body: bytes) -> None:
        """Take a request that is complete, and answer it."""
        self.head = head
        self.body = body
        self.content = BytesIO(body)
        self.method, self.uri, self.clientproto = head.method, head.target, head.version
        self.path = head.target.partition(b"?")[0]
        # Twisted makes them empty, to be filled line by line.
        del self.requestHeaders, self.received_cookies
        self.process()

    @cached_property
    def requestHeaders(self) -> Headers:  # type: ignore[override]
        """The headers, by name."""
        headers = Headers()
        for name, value in self.head.headers:
            headers.addRawHeader(name, value)
        return headers

    @cached_property
    def received_cookies(self) -> dict[bytes, bytes]:  # type: ignore[override]
        """The cookies."""
        self.received_cookies = {}
        self.parseCookies()
        return self.received_cookies

    @cached_property
    def args(self) -> dict[bytes, list[bytes]]:  # type: ignore[override]
        """The arguments of the query."""
        query: dict[bytes, list[bytes]] = parse_qs(self.uri.partition(b"?")[2], True)
        return query

    # Resources are found by the whole path, so there is nothing left of it.

    @cached_property
    def prepath(self) -> list[bytes]:  # type: ignore[override]
        """The segments that led to the resource."""
        return [unquote_to_bytes(segment) for segment in self.path[1:].split(b"/")]

    @cached_property
    def postpath(self) -> list[bytes]:  # type: ignore[override]
        """The segments behind the resource."""
        return []

    @cached_property
    def sitepath(self) -> list[bytes]:
        """The segments that led to the site."""
        return []
