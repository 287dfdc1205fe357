"""What the kernel knows about a device's connection, and Twisted does not tell."""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.protocols.policies import ProtocolWrapper

# Where Linux keeps tcpi_bytes_acked in its struct tcp_info.
_BYTES_ACKED = struct.Struct("=120xQ")


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
