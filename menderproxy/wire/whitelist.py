"""Which stores the gateway may fetch artifacts from, by name and by address."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import attrs

from menderproxy.wire.authority import Authority
from menderproxy.wire.store_url import StoreURL

_NEVER = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # "this host": Linux connects it to loopback
        "169.254.0.0/16",  # link-local, where most clouds answer with credentials
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "168.63.129.16/32",  # metadata of Azure
        "192.0.0.192/32",  # metadata of Oracle Cloud
        "::/128",  # unspecified
        "fe80::/10",  # link-local
        "ff00::/8",  # multicast
        "fd00:ec2::/32",  # metadata of AWS, fd00:ec2::254 and its neighbours
        "fd20:ce::254/128",  # metadata of Google Cloud
    )
)
_HOLDS_IPV4 = (
    IPv6Network("::ffff:0:0/96"),  # mapped
    IPv6Network("64:ff9b::/96"),  # NAT64
)


@attrs.frozen
class Entry:
    """
    One allowed store.

    :param host: lower-case name or IP address literal, without brackets.
    :param port: the only port allowed; ``None`` for any.
    :param subdomains: whether the names below *host* are allowed as well.
    """

    host: str
    port: int | None = None
    subdomains: bool = True

    @classmethod
    def parse(cls, text: str) -> Entry:
        """
        Read ``host``, ``host:port``, an IPv4 address, or an IPv6 one with or without brackets.

        :raises ValueError: naming the entry and the reason.
        """
        bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
        try:
            authority = Authority.parse(f"[{text}]" if bare_ipv6 else text)
        except ValueError as error:
            raise ValueError(f"{text!r} is no host or host:port: {error}") from None
        return cls(authority.host, authority.port)

    def covers(self, url: StoreURL) -> bool:
        """Whether *url* lies at this store."""
        return self.covers_port(url.port) and (
            url.host == self.host
            # Nothing lies below an IP address: StoreURL reads "a.10.0.0.1" as no host at all.
            or (self.subdomains and url.host.endswith("." + self.host))
        )

    def covers_port(self, port: int) -> bool:
        """Whether *port* may be connected to."""
        return self.port in (None, port)


@attrs.frozen
class Whitelist:
    """
    The stores that may be fetched from; an empty one allows none.

    An entry allows its host and every sub-domain, so that ``s3.amazonaws.com`` covers
    ``bucket.s3.amazonaws.com``, compared label by label: ``s3.amazonaws.com.example`` and
    ``evils3.amazonaws.com`` are other hosts. An entry without a port allows any port and both
    schemes, since stores on the premises use what they like.
    """

    entries: tuple[Entry, ...]

    @classmethod
    def parse(cls, entries: Iterable[str], own_host: str = "") -> Whitelist:
        """
        Read the entries of a configuration.

        :param own_host: host of the Mender Server, which may hand out artifacts itself: allowed
            on any port, without its sub-domains.
        :raises ValueError: naming the bad entry.
        """
        allowed = [Entry.parse(entry) for entry in entries]
        if own_host:
            allowed.append(attrs.evolve(Entry.parse(own_host), port=None, subdomains=False))
        return cls(tuple(allowed))

    def allows(self, url: StoreURL) -> bool:
        """Whether *url* names an allowed store."""
        return any(entry.covers(url) for entry in self.entries)

    def allows_address(self, address: str, url: StoreURL) -> bool:
        """
        Whether we may connect to *address* for the sake of *url*.

        Whoever controls a listed name also controls what it resolves to: it must not lead to a
        cloud's metadata service, nor to services on this machine unless ``localhost`` or that
        very address is listed. Private addresses are allowed: stores on the premises have them.

        :param address: what the URL's host was resolved to.
        """
        try:
            reached = _reached(address)
        except ValueError:
            return False
        if any(reached in network for network in _NEVER):
            return False
        return not reached.is_loopback or self._allows_loopback(str(reached), url)

    def _allows_loopback(self, address: str, url: StoreURL) -> bool:
        return any(
            (entry.host == "localhost" and entry.covers(url))
            or (entry.host == address and entry.covers_port(url.port))
            for entry in self.entries
        )


def _reached(address: str) -> IPv4Address | IPv6Address:
    """Where packets to *address* end up, which may be an IPv4 address inside an IPv6 one."""
    outer = ip_address(address)
    if any(outer in network for network in _HOLDS_IPV4):
        return IPv4Address(int(outer) & 0xFFFFFFFF)
    return outer
