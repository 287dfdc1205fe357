"""The corporate HTTP proxy between us and the upstream: who needs it, and a tunnel through it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import cast
from urllib.parse import unquote

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.upstream.no_proxy import Exemption, literal_address
from menderproxy.wire.authority import Authority

MAX_PROXY_ANSWER = 16384
_HTTP = b"HTTP/1."
_OPENED = re.compile(rb"HTTP/1\.[01] 2[0-9][0-9](?: .*)?")


class ProxyRefused(UpstreamUnavailable):
    """The proxy did not open the tunnel; the text tells which, where to, and its status line."""


@attrs.frozen
class ProxyServer:
    """One HTTP proxy, with the value of its Proxy-Authorization header where it wants one."""

    host: str
    port: int
    authorization: bytes | None = attrs.field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> ProxyServer:
        """
        Read ``[http://][user:password@]host[:port]``.

        :raises ValueError: with a reason that doesn't show the credentials.
        """
        scheme, separator, rest = url.partition("://")
        if not separator:
            scheme, rest = "http", url
        if scheme.lower() != "http":
            raise ValueError("only http:// proxies are supported")
        # Not urlsplit(), which looks for brackets and look-alikes of letters in passwords, too.
        credentials, has_credentials, bare = rest.rpartition("@")
        try:
            authority = Authority.parse(bare.removesuffix("/"))
        except ValueError:
            raise ValueError("the proxy's host or port is malformed") from None
        authorization = None
        if has_credentials:
            user, _, password = credentials.partition(":")
            pair = f"{unquote(user)}:{unquote(password)}"
            authorization = b"Basic " + b64encode(pair.encode("utf-8"))
        return cls(authority.host, authority.port or 80, authorization)

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


def _exemptions(entries: Iterable[str]) -> tuple[Exemption, ...]:
    return tuple(Exemption.parse(entry) for entry in entries)


@attrs.frozen
class ProxyRules:
    """
    HTTP_PROXY, HTTPS_PROXY and NO_PROXY.

    :param http: proxy for http upstreams.
    :param https: proxy for https upstreams.
    :param no_proxy: who is reached directly, see :class:`Exemption`.
    """

    http: ProxyServer | None = None
    https: ProxyServer | None = None
    no_proxy: Sequence[Exemption] = attrs.field(default=(), converter=_exemptions)

    def proxy_for(self, scheme: str, host: str, port: int) -> ProxyServer | None:
        """
        The proxy to use, or ``None`` for a direct connection.

        This machine is always reached directly: a proxy takes its name for the proxy's own.
        """
        proxy = self.https if scheme == "https" else self.http
        if proxy is None or _is_loopback(host):
            return None
        return None if any(entry.covers(host, port) for entry in self.no_proxy) else proxy


def bracketed(host: str) -> str:
    """The host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    address = literal_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


@implementer(IStreamClientEndpoint)
class ConnectTunnel:
    """
    An endpoint that reaches a host through an HTTP proxy's CONNECT method.

    :param proxy: the endpoint of the proxy itself.
    :param server: the proxy, for its credentials.
    :param host: where the tunnel should lead.
    :param port: and to which port.
    """

    def __init__(self, proxy: IStreamClientEndpoint, server: ProxyServer, host: str, port: int):
        self._proxy = proxy
        authority = f"{bracketed(host)}:{port}"
        self._refusal = f"the proxy {server} opens no tunnel to {authority}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        self._request = "\r\n".join(lines).encode("ascii")
        if server.authorization is not None:
            self._request += b"\r\nProxy-Authorization: " + server.authorization
        self._request += b"\r\n\r\n"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Open the tunnel, then connect the factory's protocol through it."""
        handshake = _Handshake(self._request, protocolFactory, self._refusal)
        connected = self._proxy.connect(Factory.forProtocol(lambda: handshake))
        return connected.addCallback(lambda _: handshake.opened)


class _Handshake(Protocol):
    """Asks for the tunnel, and from then on stands in for the protocol behind it."""

    def __init__(self, request: bytes, factory: IProtocolFactory, refusal: str):
        self._request = request
        self._factory = factory
        self._refusal = refusal
        self._answer = b""
        self._inner: IProtocol | None = None
        self.opened: Deferred[IProtocol] = Deferred(self._cancelled)
        self._waiting = True

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if end:
            self._answered(head.split(b"\r\n", 1)[0], rest)
        elif not (head.startswith(_HTTP) or _HTTP.startswith(head)):
            # Something else than HTTP may never end a line.
            self._refuse("its answer is no HTTP")
        elif len(self._answer) > MAX_PROXY_ANSWER:
            self._refuse("its answer is too long")

    def _answered(self, status_line: bytes, rest: bytes) -> None:
        if not _OPENED.fullmatch(status_line):
            text = status_line[:100].decode("ascii", "backslashreplace")
            self._refuse("".join(each if each.isprintable() else "?" for each in text))
            return
        assert self.transport is not None
        self._inner = self._factory.buildProtocol(self.transport.getPeer())
        if self._inner is None:
            self._refuse("nobody wants the connection any more")
            return
        self._inner.makeConnection(self.transport)
        self._waiting = False
        self.opened.callback(self._inner)
        if rest:
            self._inner.dataReceived(rest)

    def _refuse(self, why: str) -> None:
        self._abort()
        if self._waiting:
            self._waiting = False
            self.opened.errback(ProxyRefused(f"{self._refusal}: {why}"))

    def _cancelled(self, opened: Deferred[IProtocol]) -> None:
        self._waiting = False
        self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif self._waiting:
            self._waiting = False
            self.opened.errback(reason)
