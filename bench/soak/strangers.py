"""Connections of those who are no devices: silence, noise, other protocols, half a handshake."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import DeferredList
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater

from menderproxy.demo.network import LOOPBACK

_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(64))
_MANY = 40


def _noise(dice: Random) -> bytes:
    return dice.choice(
        (
            b"",
            b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1 443\r\n",
            # A ClientHello that breaks off, an alert, a record of a handshake that never was.
            _HELLO,
            bytes.fromhex("15030300020100"),
            bytes.fromhex("140303000101"),
            dice.randbytes(dice.randint(1, 400)),
        )
    )


async def crowd_in(reactor: Any, port: int, dice: Random) -> str:
    """Connect to a port many times, make some noise, and go away at once or never."""
    endpoint = TCP4ClientEndpoint(reactor, LOOPBACK, port)
    count = dice.randint(1, _MANY)
    connecting = [connectProtocol(endpoint, Protocol()) for _ in range(count)]
    came: Any = await DeferredList(connecting, consumeErrors=True)
    lines: list[Any] = [line.transport for connected, line in came if connected]
    for line in lines:
        line.write(_noise(dice))
    stay = dice.uniform(0, 8)
    await deferLater(reactor, stay)
    for line in lines:
        # The gateway may have let go of it before.
        line.abortConnection()
    return f"{count}, for {stay:.0f} s"
