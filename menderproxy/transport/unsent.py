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


class Unsent:
    """
    Bounds the bytes that were given to the kernel and not sent by it, by how fast they go.

    By default it takes up to 4 MiB ahead for each slow peer, which is memory, and hides from us
    for minutes that the peer takes nothing.
    """

    __slots__ = ("_clock", "_is_fast", "_least", "_since", "_socket", "_stretch")

    def __init__(self, sock: socket.socket, clock: IReactorTime):
        self._socket = sock
        self._clock = clock
        self._least = 0
        self._is_fast = False
        self._stretch = 0
        self._since = 0.0

    def limit(self, least: int) -> None:
        """
        Let the kernel hold so much.

        :param least: bytes for a slow peer, which each one is until it has proved otherwise.
        """
        self._least = least
        self._since = self._clock.seconds()
        self._hold(least)

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
            self._hold(self._least * HEADWAY if is_fast else self._least)

    def _hold(self, size: int) -> None:
        # Not every kind of socket has that.
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, size)
