"""Any request of the device API: to the Mender Server and back, byte for byte."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.logger import Logger
from twisted.web import proxy

from menderproxy.upstream.agent import Agent, Answer
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.web.answers import answer_later
from menderproxy.web.channel import GatewayRequest
from menderproxy.web.prefix import Prefix
from menderproxy.web.relay import Relay
from menderproxy.wire.body import Body
from menderproxy.wire.header_block import fit
from menderproxy.wire.headers import forwarded_request_headers, returned_response_headers

BODILESS = frozenset({204, 304})
GATHERED = 1024 * 1024


@attrs.frozen
class MenderServer:
    """
    The Mender Server devices are forwarded to.

    :param agent: how requests get there.
    :param authority: the value of the Host header: its front end routes by it.
    """

    agent: Agent
    origin: Origin
    authority: bytes


class DeviceProxy(proxy.ReverseProxyResource):
    """
    Forwards requests unchanged.

    Of Twisted's class only the name and the place remain: that one buffers without limit,
    re-encodes paths, speaks HTTP/1.0 to its upstream, and takes a broken answer for a whole.

    :param stall: seconds a device may take no byte of its answer.
    """

    isLeaf = True
    log = Logger()

    def __init__(self, reactor: Any, mender: MenderServer, stall: float):
        super().__init__(mender.origin.host, mender.origin.port, b"", reactor)
        self.mender = mender
        self.stall = stall

    def getChild(self, path: bytes, request: Any) -> DeviceProxy:
        """The target is used raw: there are no children."""
        return self

    def render(self, request: Any) -> int:
        """Forward the request, whatever its method."""
        return answer_later(request, self.proxy(request))

    async def proxy(self, request: GatewayRequest) -> None:
        """Forward one request, and answer it."""
        await self.respond(request, await self.ask(request))

    async def ask(self, request: GatewayRequest, *, plain: bool = False) -> Answer:
        """
        Put the device's request to the Mender Server.

        :param plain: ask for an answer without compression.
        """
        headers = forwarded_request_headers(
            request.raw_headers,
            host=self.mender.authority,
            client=request.device_address,
            secure=request.isSecure(),
        )
        if plain:
            headers = [header for header in headers if header[0].lower() != b"accept-encoding"]
            headers.append((b"Accept-Encoding", b"identity"))
        body = request.body
        return await self.mender.agent.request(
            self.mender.origin, request.method, request.uri, headers, body or None
        )

    async def respond(self, request: GatewayRequest, answer: Answer) -> None:
        """Pass the Mender Server's answer on."""
        self.set_head(request, answer)
        if answer.length is None and request.clientproto != b"HTTP/1.1":
            await self._respond_gathered(request, answer)
        else:
            await self.relay(request, answer, answer.length)

    async def relay(self, request: GatewayRequest, body: Body, length: int | None) -> None:
        """
        Pass a body on; the head has been set.

        :param length: its bytes, when known.
        """
        has_body = request.method != b"HEAD" and request.code not in BODILESS
        if length is not None and has_body:
            request.setHeader(b"content-length", b"%d" % length)
        await Relay(request, body, self.stall).run()

    async def _respond_gathered(self, request: GatewayRequest, answer: Answer) -> None:
        # HTTP/1.0 has no chunks: without a length only the closed connection would end it.
        prefix = Prefix(answer, GATHERED)
        await prefix.gather()
        if not prefix.complete:
            prefix.abort()
            raise UpstreamUnavailable("an answer without length is too long for HTTP/1.0")
        await self.relay(request, prefix, len(prefix.data))

    def set_head(self, request: GatewayRequest, answer: Answer) -> None:
        """
        Take over status and headers.

        :raises UpstreamUnavailable: the answer can't be passed on to a device.
        """
        if 300 <= answer.code < 400 and answer.code != 304:
            answer.abort()
            # No client of ours could follow it: the Mender Server is out of its reach.
            raise UpstreamUnavailable(
                f"{self.mender.origin} answers with a redirect ({answer.code}):"
                " is UpstreamServer.URL right?"
            )
        try:
            headers, dropped = fit(returned_response_headers(answer.headers))
        except ValueError as error:
            answer.abort()
            raise UpstreamUnavailable(f"{self.mender.origin}: {error}") from None
        if dropped:
            self.log.warn("headers too large for devices, dropped: {names}", names=dropped)
        request.setResponseCode(answer.code, answer.phrase)
        request.responseHeaders.removeHeader(b"server")
        if any(name.lower() == b"date" for name, _ in headers):
            request.responseHeaders.removeHeader(b"date")
        for name, value in headers:
            request.responseHeaders.addRawHeader(name, value)
        length = answer.header(b"content-length")
        if request.method == b"HEAD" and length is not None:
            request.setHeader(b"content-length", length)
