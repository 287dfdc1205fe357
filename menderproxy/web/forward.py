"""Any request of the device API: to the Mender Server and back, byte for byte."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import attrs
from twisted.logger import Logger
from twisted.web import proxy
from twisted.web.http import NO_BODY_CODES

from menderproxy.upstream.agent import Agent
from menderproxy.upstream.answer import Answer
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.web.answers import answer_later
from menderproxy.web.bindings import BoundToken, TokenBindings, TokenRefused
from menderproxy.web.prefix import Prefix
from menderproxy.web.relay import Relay
from menderproxy.web.request import GatewayRequest
from menderproxy.wire.device_token import shown_tokens
from menderproxy.wire.header_block import fit
from menderproxy.wire.headers import forwarded_request_headers, returned_response_headers

GATHERED = 1024 * 1024
LONGEST_PHRASE = 64

ABOUT_THE_BYTES = frozenset(
    (b"content-encoding", b"content-md5", b"content-digest", b"repr-digest", b"digest")
)
"""Headers that aren't true any more when the body is another one."""

COMPRESSION = frozenset((b"accept-encoding",))


@attrs.frozen
class MenderServer:
    """
    The Mender Server devices are forwarded to.

    :param agent: how requests get there.
    :param authority: the value of the Host header: its front end routes by it.
    :param bindings: which tokens count with which certificates only; ``None`` for all with any.
    """

    agent: Agent
    origin: Origin
    authority: bytes
    bindings: TokenBindings | None = None


class DeviceProxy(proxy.ReverseProxyResource):
    """
    Forwards requests unchanged.

    Of Twisted's class only the name and the place remain: that one buffers without limit,
    re-encodes paths, speaks HTTP/1.0 to its upstream, and takes a broken answer for a whole.

    :param stall: see :class:`menderproxy.web.outflow.Outflow`.
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

    async def ask(
        self, request: GatewayRequest, *, plain: bool = False, body: bytes | None = None
    ) -> Answer:
        """
        Put the device's request to the Mender Server.

        :param plain: ask for an answer without compression.
        :param body: what to send instead of the device's own body; ``None`` for that one.
        :raises TokenRefused: the device uses a token that is not its own.
        """
        token = self.bound_token(request)
        without: frozenset[bytes] = frozenset()
        if plain:
            without |= COMPRESSION
        if body is not None:
            without |= ABOUT_THE_BYTES
        headers = forwarded_request_headers(
            request.raw_headers,
            host=self.mender.authority,
            client=request.device_address,
            secure=request.isSecure(),
            without=without,
            is_clean=request.head.is_clean,
        )
        if plain:
            headers.append((b"Accept-Encoding", b"identity"))
        if body is None:
            body = request.body
        answer = await self.mender.agent.request(
            self.mender.origin, request.method, request.uri, headers, body or None
        )
        if token is not None and 200 <= answer.code < 300:
            # The Mender Server takes it for genuine.
            token.bind()
        return answer

    def bound_token(self, request: GatewayRequest) -> BoundToken | None:
        """
        The device's token, where it matters whose it is.

        :raises TokenRefused: it is not this device's.
        """
        bindings, certificate = self.mender.bindings, request.channel.certificate
        if bindings is None or certificate is None:
            return None
        tokens = shown_tokens(request.values(b"authorization"), request.values(b"cookie"))
        if not tokens:
            return None
        if len(tokens) > 1:
            # The server might go by another one than we do.
            raise TokenRefused
        (token,) = tokens
        return bindings.check(token, certificate.key)

    async def respond(self, request: GatewayRequest, answer: Answer) -> None:
        """Pass the Mender Server's answer on."""
        whole = answer.take_whole()
        if whole is not None:
            # So are nearly all: no need to keep watch over its bytes.
            length = answer.length
            if length is None and request.clientproto != b"HTTP/1.1":
                length = len(whole)
            self._set_head_and_length(request, answer, length)
            request.write(whole)
            request.finish()
            return
        prefix = Prefix(answer, GATHERED)
        if answer.length is not None or request.clientproto == b"HTTP/1.1":
            prefix.begin()
            await self.relay(request, answer, prefix, answer.length)
        else:
            await prefix.gather()
            await self.relay(request, answer, prefix, prefix.length)

    async def relay(
        self, request: GatewayRequest, answer: Answer, body: Prefix, length: int | None
    ) -> None:
        """
        Pass an answer's head and a body on.

        :param length: the body's bytes, if they are known.
        :raises UpstreamUnavailable: the answer can't be passed on to this device.
        """
        if length is None and request.clientproto != b"HTTP/1.1":
            # HTTP/1.0 has no chunks: only the closed connection would end the body, and
            # clients take that for an empty one, or can't tell it from a broken one.
            body.abort()
            raise UpstreamUnavailable("an answer without length is too long for HTTP/1.0")
        length = self._set_head_and_length(request, answer, length)
        await Relay(request, body, self.stall, length).run()

    def _set_head_and_length(
        self, request: GatewayRequest, answer: Answer, length: int | None
    ) -> int | None:
        """Take over the head; give the length of the body that is to follow it, if known."""
        self.set_head(request, answer)
        if request.method == b"HEAD" or request.code in NO_BODY_CODES:
            return None
        if length is not None:
            request.setHeader(b"content-length", b"%d" % length)
        return length

    def set_head(
        self, request: GatewayRequest, answer: Answer, without: Set[bytes] = frozenset()
    ) -> None:
        """
        Take over status and headers.

        :param without: names, in lower case, of headers that are not true of the body to follow.
        :raises UpstreamUnavailable: the answer can't be passed on to a device.
        """
        try:
            headers = self._headers_for_device(answer)
        except UpstreamUnavailable:
            answer.abort()
            raise
        if without:
            headers = [header for header in headers if header[0].lower() not in without]
        request.take_over(answer.code, answer.phrase[:LONGEST_PHRASE], headers)
        if request.method == b"HEAD":
            length = answer.header(b"content-length")
            if length is not None:
                request.setHeader(b"content-length", length)

    def _headers_for_device(self, answer: Answer) -> list[tuple[bytes, bytes]]:
        origin = self.mender.origin
        if 300 <= answer.code < 400 and answer.code != 304:
            # No client of ours could follow it: the Mender Server is out of its reach.
            raise UpstreamUnavailable(
                f"{origin} answers with a redirect ({answer.code}): is UpstreamServer.URL right?"
            )
        try:
            headers, dropped = fit(returned_response_headers(answer.headers))
        except ValueError as error:
            raise UpstreamUnavailable(f"{origin}: {error}") from None
        if dropped:
            self.log.warn("headers too large for devices, dropped: {names}", names=dropped)
        return headers
