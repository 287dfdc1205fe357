"""How much the kernel holds of what a peer has still to take."""

from __future__ import annotations

import contextlib
import socket

from twisted.internet.interfaces import IReactorTime

STRETCH = 4 * 1024 * 1024
"""Bytes between two looks at the clock."""

FAST = 1.0
"""Seconds for a stretch, in which a peer is fast."""

HEADWAY = 16
"""How many times as much may be held for a fast peer: the fewer turns it needs, the cheaper."""

_TCP_NOTSENT_LOWAT = 25


def hold(sock: socket.socket, size: int) -> None:
    """Let the kernel hold so many bytes for a socket, and for each that it accepts from now on."""
    # Not every kind of socket has that.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, size)


class Unsent:
    """
    Bounds the bytes that were given to the kernel and not sent by it, by how fast they go.

    By default it takes up to 4 MiB ahead for each slow peer, which is memory, and hides from us
    for minutes that the peer takes nothing.

    :param least: bytes for a slow peer, which each one is until it has proved otherwise; 0 for no
        bound at all.
    :param inherited: whether the kernel knows that already, from the socket that listens.
    """

    __slots__ = ("_clock", "_is_fast", "_least", "_since", "_socket", "_stretch")

    def __init__(
        self, sock: socket.socket, clock: IReactorTime, least: int, *, inherited: bool = False
    ):
        self._socket = sock
        self._clock = clock
        self._least = least
        self._is_fast = False
        self._stretch = 0
        self._since = clock.seconds()
        if least and not inherited:
            hold(sock, least)

    def sent(self, count: int) -> None:
        """So many bytes were given to the kernel."""
        self._stretch += count
        if self._stretch < STRETCH or not self._least:
            return
        now = self._clock.seconds()
        is_fast = now - self._since < FAST
        self._stretch, self._since = 0, now
        if is_fast != self._is_fast:
            self._is_fast = is_fast
            hold(self._socket, self._least * HEADWAY if is_fast else self._least)
