"""Deployment instructions: the device's download link becomes one of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from menderproxy.upstream.answer import Answer
from menderproxy.web.forward import ABOUT_THE_BYTES, DeviceProxy, MenderServer
from menderproxy.web.prefix import Prefix
from menderproxy.web.relink import Relinker
from menderproxy.web.request import GatewayRequest
from menderproxy.wire.compression import gunzip

MAX_INSTRUCTIONS = 1024 * 1024

OUTDATED = ABOUT_THE_BYTES | {b"etag"}

Rewrite = Callable[[bytes, Callable[[str, str], str | None]], bytes | None]


class DeploymentsProxy(DeviceProxy):
    """
    Forwards a request whose answer may hold a download link, and rewrites that link.

    Whatever is not understood (another status, no JSON, too long, an unknown encoding) is
    passed on as it came.

    :param relinker: makes our links.
    :param rewrite: finds the link in the answer's JSON.
    """

    def __init__(
        self, reactor: Any, mender: MenderServer, stall: float, relinker: Relinker, rewrite: Rewrite
    ):
        super().__init__(reactor, mender, stall)
        self._relinker = relinker
        self._rewrite = rewrite

    async def proxy(self, request: GatewayRequest) -> None:
        """Forward one poll, and answer it with our link."""
        await self.respond(request, await self.ask(request, plain=True))

    async def respond(self, request: GatewayRequest, answer: Answer) -> None:
        """Rewrite the answer if it holds a link."""
        if answer.code != 200 or request.method == b"HEAD":
            await super().respond(request, answer)
            return
        prefix = Prefix(answer, MAX_INSTRUCTIONS)
        await prefix.gather()
        rewritten = self._rewritten(prefix.data, answer) if prefix.complete else None
        if rewritten is None:
            length = answer.length if prefix.length is None else prefix.length
            await self.relay(request, answer, prefix, length)
            return
        self.set_head(request, answer, without=OUTDATED)
        request.setHeader(b"content-length", b"%d" % len(rewritten))
        request.write(rewritten)
        request.finish()

    def _rewritten(self, body: bytes, answer: Answer) -> bytes | None:
        encoding = (answer.header(b"content-encoding") or b"identity").strip().lower()
        if encoding in (b"gzip", b"x-gzip"):
            # We asked for none, but a front end may compress all the same.
            try:
                body = gunzip(body, MAX_INSTRUCTIONS)
            except ValueError:
                return None
        elif encoding != b"identity":
            return None
        return self._rewrite(body, self._relinker.relink)
