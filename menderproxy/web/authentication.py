"""A device's request for a token: with mutual TLS, its certificate has it accepted."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from menderproxy.upstream.answer import Answer
from menderproxy.upstream.preauthorization import Preauthorization, Unprovisioned, loggable
from menderproxy.web.answers import answer_error
from menderproxy.web.bindings import BoundToken
from menderproxy.web.forward import DeviceProxy, MenderServer
from menderproxy.web.prefix import Prefix
from menderproxy.web.request import GatewayRequest
from menderproxy.wire.auth_request import AuthRequest

LONGEST_TOKEN = 64 * 1024


class AuthenticationProxy(DeviceProxy):
    """
    Makes sure that the Mender Server knows a device, then forwards its request unchanged.

    The device signed the body's very bytes, so they are only looked at.

    :param preauthorization: ``None`` when devices are to be accepted otherwise.
    :param same_key: whether the device must ask with the key of its certificate.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        mender: MenderServer,
        stall: float,
        preauthorization: Preauthorization | None,
        *,
        same_key: bool = False,
    ):
        super().__init__(reactor, mender, stall)
        self._preauthorization = preauthorization
        self._same_key = same_key

    async def proxy(self, request: GatewayRequest) -> None:
        """Forward one request for a token."""
        try:
            asked = AuthRequest.parse(request.body)
        except ValueError as error:
            self.log.debug("a request for a token that makes no sense: {error}", error=error)
            await self._pass_nonsense(request)
            return
        if self._same_key and not self._has_same_key(request, asked):
            answer_error(request, 401, "the key is not that of the client certificate")
            return
        if self._preauthorization is None:
            await super().proxy(request)
            return
        try:
            await self._preauthorization.ensure(asked, str(request.channel.certificate))
        except Unprovisioned as error:
            retry_after = b"%d" % max(1, round(error.retry_after))
            # In capitals as usual: some devices know it in no other spelling.
            answer_error(request, 503, "try again later", **{"Retry_After": retry_after})
            return
        answer = await self.ask(request)
        self._preauthorization.outcome(asked, answer.code)
        await self.respond(request, answer)

    async def _pass_nonsense(self, request: GatewayRequest) -> None:
        if self._same_key:
            # The server might read another key in it than we do.
            answer_error(request, 400, "malformed request for a token")
        else:
            # What is wrong with it the server knows best how to say.
            await super().proxy(request)

    def bound_token(self, request: GatewayRequest) -> BoundToken | None:
        """None: what some devices send here is the token of their tenant, shared by all."""
        return None

    async def respond(self, request: GatewayRequest, answer: Answer) -> None:
        """Pass the token on, and remember whose it is."""
        certificate = request.channel.certificate
        bindings = self.mender.bindings
        if bindings is None or certificate is None or answer.code != 200:
            await super().respond(request, answer)
            return
        prefix = Prefix(answer, LONGEST_TOKEN)
        await prefix.gather()
        if prefix.complete:
            bindings.bind(prefix.data.strip(), certificate.key)
        length = answer.length if prefix.length is None else prefix.length
        await self.relay(request, answer, prefix, length)

    def _has_same_key(self, request: GatewayRequest, asked: AuthRequest) -> bool:
        certificate = request.channel.certificate
        if certificate is not None and asked.key == certificate.key:
            return True
        self.log.warn(
            "refused: a token for {device}: its key is not that of the {certificate}",
            device=loggable(asked.identity_text),
            certificate=certificate,
        )
        return False
