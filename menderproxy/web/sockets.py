"""What the kernel knows about a device's connection, and Twisted does not tell."""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.protocols.policies import ProtocolWrapper

from menderproxy.transport.spans import SpanSending

# Where Linux keeps tcpi_bytes_acked in its struct tcp_info.
_BYTES_ACKED = struct.Struct("=120xQ")


def limit_unsent(transport: Any, size: int) -> None:
    """
    Let the kernel hold little that was not sent yet.

    :param size: bytes; see :class:`menderproxy.transport.unsent.Unsent`.
    """
    if isinstance(transport, SpanSending):
        transport.unsent.limit(size)


def bytes_taken(transport: Any) -> int:
    """Count the bytes that the device has acknowledged so far; 0 when the kernel can't tell."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    # Not getHandle(), which for TLS is something else.
    handle = getattr(transport, "socket", None)
    if not isinstance(handle, socket.socket):
        return 0
    try:
        information = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.size)
    except OSError:
        # It is no TCP.
        return 0
    taken: tuple[int]
    taken = _BYTES_ACKED.unpack(information) if len(information) == _BYTES_ACKED.size else (0,)
    return taken[0]
