"""Devices' connections that show a certificate."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.client import (
    URI,
    Agent,
    ContentDecoderAgent,
    GzipDecoder,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from bench.soak.reading import Habit, HabitualResponse
from menderproxy.demo.certificates import Credentials
from menderproxy.demo.device_client import Answer, DeviceClient
from menderproxy.upstream.tls import VerifiedHost

_SMALL_WINDOW = 256 * 1024
"""Smaller than a few packets, which have 64 KiB on loopback, it would slow everybody down."""


@implementer(IOpenSSLClientConnectionCreator)
class Certified:
    """
    The TLS of one device.

    :param gateway: verifies what the gateway shows; may be shared.
    :param credentials: what the device shows.
    """

    def __init__(self, gateway: VerifiedHost, credentials: Credentials):
        self._gateway = gateway
        self._certificate = x509.load_pem_x509_certificate(credentials.certificate_pem)
        self._key: Any = load_pem_private_key(credentials.key_pem, None)

    @property
    def certificate(self) -> x509.Certificate:
        """What the device shows."""
        return self._certificate

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make the connection object for one TLS connection (called by Twisted)."""
        connection = self._gateway.clientConnectionForTLS(tlsProtocol)
        connection.use_certificate(self._certificate)
        connection.use_privatekey(self._key)
        return connection


@implementer(IStreamClientEndpoint)
@attrs.frozen
class _SmallWindow:
    """An endpoint whose kernel buffers little, so that who is slow is felt at the other end."""

    endpoint: IStreamClientEndpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        connecting: Deferred[Any] = self.endpoint.connect(protocolFactory)
        return connecting.addCallback(self._narrowed)

    def _narrowed(self, protocol: Any) -> Any:
        tcp = protocol.transport.getHandle()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_WINDOW)
        return protocol


@implementer(IAgentEndpointFactory)
@attrs.frozen
class CertifiedEndpoints:
    """Endpoints for the gateway's URLs."""

    reactor: Any
    tls: Certified

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Make the endpoint for a URL (called by Twisted, too)."""
        tcp = HostnameEndpoint(self.reactor, uri.host.decode("ascii"), uri.port)
        return wrapClientTLS(self.tls, _SmallWindow(tcp))


class CertifiedClient(DeviceClient):
    """
    Makes one device's requests, and tells of each answer.

    :param answered: told when a request began, the status of its answer, and whether that is a
        download.
    :param taken: told of each piece of a download's body.
    :ivar habit: how the next download is taken.
    """

    habit = Habit()

    def __init__(
        self,
        reactor: Any,
        endpoints: CertifiedEndpoints,
        answered: Callable[[float, int, bool], object],
        taken: Callable[[bytes], object],
    ):
        super().__init__(reactor, endpoints.tls.certificate)
        self._reactor = reactor
        self._answered = answered
        self._taken = taken
        self._endpoints: Any = endpoints
        agent = Agent.usingEndpointFactory(reactor, endpoints, self._pool)
        self._agent = ContentDecoderAgent(agent, [(b"gzip", GzipDecoder)])

    async def call(self, *args: Any, **kwargs: Any) -> Answer:
        """Make an API call."""
        began = self._reactor.seconds()
        answer = await super().call(*args, **kwargs)
        self._answered(began, answer.status, False)
        return answer

    async def get(self, url: str, headers: Headers) -> tuple[IResponse, Callable[[], None]]:
        """Ask for a download."""
        began = self._reactor.seconds()
        response, abort = await super().get(url, headers)
        self._answered(began, response.code, True)
        habit, self.habit = self.habit, Habit()
        return HabitualResponse(response, habit, self._reactor, abort, self._taken), abort
