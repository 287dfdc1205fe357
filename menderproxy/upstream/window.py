"""Connections whose peer may send but little ahead of what was read."""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.tcp import Connection
from zope.interface import implementer

BURST = 0.125
"""Seconds of the line that may come in one go."""

SMALLEST = 4096

_RTT = struct.Struct("=68xI")
"""Where Linux has the round-trip time, in microseconds, in its ``tcp_info``."""


def window(rate: int, round_trip: float) -> int:
    """
    Say how many bytes a peer may have on their way to us.

    Fewer, and the rate could not be reached over a long way; more, and what is read piece by piece
    lies in the line's queue in front of all else, or fills megabytes of the kernel's memory at the
    line's full speed before reading more slowly has any effect.

    :param rate: bytes a second at which they will be read.
    :param round_trip: seconds to the peer and back.
    """
    return max(SMALLEST, round(rate * (round_trip + BURST)))


@implementer(IStreamClientEndpoint)
class NarrowEndpoint:
    """
    Connects through another endpoint, and keeps the connection's window small.

    :param plain: its connections are TCP connections.
    :param rate: bytes a second at which they will be read.
    """

    def __init__(self, plain: IStreamClientEndpoint, rate: int):
        self._plain = plain
        self._rate = rate

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect."""
        return self._plain.connect(protocolFactory).addCallback(self._narrow)

    def _narrow(self, protocol: Any) -> Any:
        if not isinstance(protocol.transport, Connection):
            # Those in memory, for tests, have no window.
            return protocol
        connection = protocol.transport.getHandle()
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT.size)
        (microseconds,) = _RTT.unpack(info)
        size = window(self._rate, microseconds / 1e6)
        # The kernel doubles it, for its own bookkeeping, and halves it again for the window.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        return protocol
