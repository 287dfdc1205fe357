"""What the kernel knows about a device's connection, and Twisted does not tell."""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.protocols.policies import ProtocolWrapper

NOT_SENT = 128 * 1024

_TCP_NOTSENT_LOWAT = 25
# Where Linux keeps tcpi_bytes_acked in its struct tcp_info.
_BYTES_ACKED = struct.Struct("=120xQ")


def limit_unsent(transport: Any) -> None:
    """
    Let the kernel hold little that was not sent yet.

    By default it buffers up to 4 MiB for each slow device, which is memory, and hides from us
    for minutes that the device takes nothing.
    """
    handle = _socket(transport)
    if handle is not None:
        handle.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOT_SENT)


def bytes_taken(transport: Any) -> int:
    """Count the bytes that the device has acknowledged so far; 0 when the kernel can't tell."""
    handle = _socket(transport)
    if handle is None:
        return 0
    try:
        information = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.size)
    except OSError:
        return 0
    taken: tuple[int]
    taken = _BYTES_ACKED.unpack(information) if len(information) == _BYTES_ACKED.size else (0,)
    return taken[0]


def _socket(transport: Any) -> socket.socket | None:
    while isinstance(transport, ProtocolWrapper):
        # TLS, for which getHandle() is something else.
        transport = transport.transport
    handle = getattr(transport, "getHandle", lambda: None)()
    is_tcp = isinstance(handle, socket.socket) and handle.family != socket.AF_UNIX
    return handle if is_tcp else None
