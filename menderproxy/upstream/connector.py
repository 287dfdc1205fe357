"""From an origin to a connection: address rules, TLS, and the proxy in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger
from twisted.web.http import PROXY_AUTH_REQUIRED, UNAUTHORIZED
from zope.interface import implementer

from menderproxy.upstream.proxies import ConnectTunnel, ProxyRules, ProxyServer, bracketed
from menderproxy.upstream.tls import TrustRoots, VerifiedHost
from menderproxy.upstream.transport import SecureEndpoint
from menderproxy.upstream.window import NarrowEndpoint

__all__ = ["AddressRule", "Connector", "Origin", "any_address", "bracketed"]

HTTP_PORT = 80


# A tuple hashes itself without a line of Python; each request looks for it in the pool, twice.
class Origin(NamedTuple):
    """Scheme, host and port: what a connection is made to, and what it is pooled by."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"


class AddressRule(Protocol):
    """Says whether we may connect to an address that an origin's name resolved to."""

    def __call__(self, address: str, origin: Origin) -> bool:
        """
        Decide on one address.

        :param address: IPv4 or IPv6 literal.
        """


def any_address(address: str, origin: Origin) -> bool:
    """The rule for the Mender Server: whoever configures it decides where it is."""
    return True


class Connector:
    """
    Makes the endpoint for each origin.

    The name is looked up once and each address checked before it is connected to, so that a
    name can't point somewhere else between check and use. Behind a proxy that look-up is the
    proxy's.

    :param trust: the authorities trusted for https.
    :param verify: ``False`` accepts any certificate (``InsecureSkipVerify``).
    :param timeout: seconds for each connection attempt.
    :param rate: bytes a second at which answers will be read, if there is a limit.
    """

    def __init__(
        self,
        reactor: IReactorPluggableNameResolver,
        *,
        trust: TrustRoots,
        verify: bool = True,
        allows: AddressRule = any_address,
        proxies: ProxyRules | None = None,
        timeout: float = 10.0,
        rate: int = 0,
    ):
        self._reactor = reactor
        self._trust = trust
        self._verify = verify
        self._allows = allows
        self._proxies = ProxyRules() if proxies is None else proxies
        self._timeout = timeout
        self._rate = rate
        self._tls: dict[str, VerifiedHost] = {}

    def endpoint(self, origin: Origin, *, tunnel: bool = False) -> IStreamClientEndpoint:
        """
        The endpoint for one origin.

        :param tunnel: go through a proxy by CONNECT even for plain http; what is sent is then
            for the origin itself, and :meth:`through_proxy` must not be used.
        """
        proxy = self._proxies.proxy_for(origin.scheme, origin.host, origin.port)
        if proxy is not None:
            endpoint = self._plain(self._reactor, proxy.host, proxy.port)
            if tunnel or origin.scheme == "https":
                endpoint = ConnectTunnel(endpoint, proxy, origin.host, origin.port)
        else:
            reactor = _CheckingReactor(self._reactor, lambda host: self._allows(host, origin))
            endpoint = self._plain(reactor, origin.host, origin.port)
        if origin.scheme == "https":
            return self._secure(endpoint, self._creator(origin.host))
        return endpoint

    def _secure(self, plain: IStreamClientEndpoint, creator: VerifiedHost) -> IStreamClientEndpoint:
        if isinstance(self._reactor, PosixReactorBase):
            return SecureEndpoint(plain, creator.on_socket)
        # It waits for something else than sockets, as those in memory do, for tests.
        return wrapClientTLS(creator, plain)

    def _plain(self, reactor: Any, host: str, port: int) -> IStreamClientEndpoint:
        endpoint = HostnameEndpoint(reactor, host, port, self._timeout)
        return NarrowEndpoint(endpoint, self._rate) if self._rate else endpoint

    def through_proxy(
        self, origin: Origin, target: bytes, headers: Sequence[tuple[bytes, bytes]]
    ) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """
        Target and headers as the other end of the connection wants them.

        A proxy for plain http gets the absolute URL, and its credentials with each request.
        """
        proxy = self._reader(origin)
        if proxy is None:
            return target, headers
        if proxy.authorization is not None:
            headers = [*headers, (b"Proxy-Authorization", proxy.authorization)]
        # As the Host header of a usual URL says it: proxies make that header anew from this one.
        port = "" if origin.port == HTTP_PORT else f":{origin.port}"
        return f"http://{bracketed(origin.host)}{port}".encode("ascii") + target, headers

    def credentials_refused(self, origin: Origin, status: int, challenge: bytes) -> bool:
        """
        Whether an answer is a proxy's own, which does not like our credentials.

        Of wrong ones some proxies (Tinyproxy) say 401, as an upstream may of a token; but no
        Mender Server and no store asks for Basic authentication.

        :param challenge: the value of the WWW-Authenticate header, empty for none.
        """
        if status == UNAUTHORIZED and self._reader(origin) is not None:
            return challenge.lower().startswith(b"basic")
        return status == PROXY_AUTH_REQUIRED

    def describe(self, origin: Origin) -> str:
        """Name an origin and the proxy on the way there, for error messages."""
        proxy = self._proxies.proxy_for(origin.scheme, origin.host, origin.port)
        return str(origin) if proxy is None else f"{origin} through the proxy {proxy}"

    def _reader(self, origin: Origin) -> ProxyServer | None:
        """The proxy that does not tunnel our requests, but reads them."""
        if self._proxies.http is None or origin.scheme == "https":
            return None
        return self._proxies.proxy_for(origin.scheme, origin.host, origin.port)

    def _creator(self, host: str) -> VerifiedHost:
        # A context with the system's authorities takes some 8 ms to make: once for each host.
        if host not in self._tls:
            if len(self._tls) >= 256:
                self._tls.clear()
            self._tls[host] = VerifiedHost(host, self._trust, verify=self._verify)
        return self._tls[host]


@implementer(IReactorPluggableNameResolver)
class _CheckingReactor:
    """A reactor whose name look-ups leave out the addresses that a rule refuses."""

    def __init__(self, reactor: IReactorPluggableNameResolver, allows: Callable[[str], bool]):
        self._reactor = reactor
        self.nameResolver: IHostnameResolver = _CheckingResolver(reactor.nameResolver, allows)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Not for us: the resolver is the reactor's."""
        raise TypeError("install the resolver in the reactor itself")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


@implementer(IHostnameResolver)
class _CheckingResolver:
    def __init__(self, resolver: IHostnameResolver, allows: Callable[[str], bool]):
        self._resolver = resolver
        self._allows = allows

    def resolveHostName(
        self, resolutionReceiver: IResolutionReceiver, *args: Any, **kwargs: Any
    ) -> IHostResolution:
        receiver = _CheckingReceiver(resolutionReceiver, self._allows)
        return self._resolver.resolveHostName(receiver, *args, **kwargs)


@implementer(IResolutionReceiver)
class _CheckingReceiver:
    log = Logger()

    def __init__(self, receiver: IResolutionReceiver, allows: Callable[[str], bool]):
        self._receiver = receiver
        self._allows = allows

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:
        host = cast(Any, address).host
        if self._allows(host):
            self._receiver.addressResolved(address)
        else:
            self.log.warn("not connecting to {host}: the address is not allowed", host=host)

    def resolutionComplete(self) -> None:
        self._receiver.resolutionComplete()
