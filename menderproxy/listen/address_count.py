"""How many connections each address has open."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address

import attrs

_NETWORK = 64 // 8
_ZONE = "%"


@attrs.define
class AddressCount:
    """
    Counts connections by where they come from.

    Whoever has one IPv6 address has the 2**64 of its network as well, so that these count as one.
    """

    _open: Counter[str | bytes] = attrs.field(factory=Counter)

    def __getitem__(self, host: str) -> int:
        """Tell how many are open from an address, given as an IPv4 or IPv6 literal."""
        return self._open[_counted_as(host)]

    def add(self, host: str) -> None:
        """Count a connection that was opened."""
        self._open[_counted_as(host)] += 1

    def discard(self, host: str) -> None:
        """Count one no more that is gone."""
        counted_as = _counted_as(host)
        self._open[counted_as] -= 1
        if self._open[counted_as] <= 0:
            # All who ever came would be remembered.
            del self._open[counted_as]

    def __len__(self) -> int:
        """Tell from how many addresses there are any."""
        return len(self._open)


def _counted_as(host: str) -> str | bytes:
    """Give what all addresses have in common that count as one; no address is taken as it is."""
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition(_ZONE)[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped
    return address.packed[:_NETWORK] if mapped is None else str(mapped)
