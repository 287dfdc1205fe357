"""NO_PROXY: the upstreams that are reached directly, though there is a proxy."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import attrs

_WITH_PORT = re.compile(r"(?P<host>\[[^]]+\]|[^:]+):(?P<port>[0-9]+)")


@attrs.frozen
class Exemption:
    """
    One entry of NO_PROXY.

    An entry that is malformed covers nothing, as in other programs.

    :param network: the addresses that are covered, if it is about addresses.
    :param domain: otherwise a name, which stands for all below it, too; with a dot in front,
        only for those. An asterisk is any host.
    :param port: the only one that is covered; ``None`` for all of them.
    """

    network: IPv4Network | IPv6Network | None
    domain: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Exemption:
        """Read one entry: a name, an address, a network in CIDR notation or ``*``."""
        shape = _WITH_PORT.fullmatch(text)
        host, port = (shape["host"], int(shape["port"])) if shape else (text, None)
        domain = host[1:] if host.startswith("*.") else host
        return cls(_network(host), domain.lower().removesuffix("."), port)

    def covers(self, host: str, port: int) -> bool:
        """
        Whether an upstream is reached directly.

        :param host: a name or an address as in the upstream's URL: names are not looked up.
        """
        if self.port not in (None, port):
            return False
        if self.domain == "*":
            return True
        address = literal_address(host)
        if address is not None:
            return self.network is not None and address in self.network
        name = host.lower()
        return name == self.domain or name.endswith("." + self.domain.removeprefix("."))


def literal_address(host: str) -> IPv4Address | IPv6Address | None:
    """
    The address that a host is written as; ``None`` for a name.

    :returns: an IPv4 address for one that is wrapped in IPv6 (``::ffff:192.0.2.1``), too.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(host: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(host.strip("[]"), strict=False)
    except ValueError:
        return None
