"""The corporate HTTP proxy between us and the upstream: who needs it, and a tunnel through it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import cast
from urllib.parse import unquote, urlsplit

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

MAX_PROXY_ANSWER = 16384
_OPENED = re.compile(rb"HTTP/1\.[01] 2[0-9][0-9](?: .*)?")


class ProxyRefused(Exception):
    """The proxy did not open the tunnel; the text is its status line."""


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
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            # Python's own text may quote the credentials.
            raise ValueError("the proxy's host or port is malformed") from None
        if parts.scheme != "http":
            raise ValueError(f"only http:// proxies are supported, not {parts.scheme}://")
        if not host:
            raise ValueError("the proxy has no host")
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = b"Basic " + b64encode(pair.encode("utf-8"))
        return cls(host, port or 80, authorization)


@attrs.frozen
class ProxyRules:
    """
    HTTP_PROXY, HTTPS_PROXY and NO_PROXY.

    :param http: proxy for http upstreams.
    :param https: proxy for https upstreams.
    :param no_proxy: hosts reached directly: a name covers its sub-domains, a leading dot or
        ``*.`` only those; IP addresses, networks in CIDR notation, ``host:port``, and ``*``.
    """

    http: ProxyServer | None = None
    https: ProxyServer | None = None
    no_proxy: Sequence[str] = ()

    def proxy_for(self, scheme: str, host: str, port: int) -> ProxyServer | None:
        """The proxy to use, or ``None`` for a direct connection."""
        proxy = self.https if scheme == "https" else self.http
        if proxy is None or _is_loopback(host):
            return None
        exempt = any(_exempts(entry.lower(), host.lower(), port) for entry in self.no_proxy)
        return None if exempt else proxy


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _exempts(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, colon, entry_port = entry.rpartition(":")
    if colon and entry_port.isdigit() and (":" not in name or name.endswith("]")):
        return int(entry_port) == port and _exempts(name, host, port)
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    suffix = "." + entry.removeprefix("*").lstrip(".")
    # No host starts with a dot or an asterisk: such an entry covers nothing but what is below.
    return host == entry or host.endswith(suffix)


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
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        self._request = "\r\n".join(lines).encode("ascii")
        if server.authorization is not None:
            self._request += b"\r\nProxy-Authorization: " + server.authorization
        self._request += b"\r\n\r\n"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Open the tunnel, then connect the factory's protocol through it."""
        handshake = _Handshake(self._request, protocolFactory)
        connected = self._proxy.connect(Factory.forProtocol(lambda: handshake))
        return connected.addCallback(lambda _: handshake.opened)


class _Handshake(Protocol):
    """Asks for the tunnel, and from then on stands in for the protocol behind it."""

    def __init__(self, request: bytes, factory: IProtocolFactory):
        self._request = request
        self._factory = factory
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
        elif len(self._answer) > MAX_PROXY_ANSWER:
            self._refuse("its answer is too long")

    def _answered(self, status_line: bytes, rest: bytes) -> None:
        if not _OPENED.fullmatch(status_line):
            self._refuse(status_line[:100].decode("ascii", "backslashreplace"))
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
            self.opened.errback(ProxyRefused(f"proxy: {why}"))

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
