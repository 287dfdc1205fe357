"""Who is at the other end of a connection."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress


def ip_address(peer: IAddress) -> str:
    """
    A peer's IP address in text; that of IPv4 also where the socket speaks both.

    :returns: nothing for a peer that has none.
    """
    return str(getattr(peer, "host", "")).removeprefix("::ffff:")
