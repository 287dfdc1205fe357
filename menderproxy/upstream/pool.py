"""The connections that stand: those in use, and those that wait for the next request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from menderproxy.upstream.errors import UpstreamUnavailable

if TYPE_CHECKING:
    from menderproxy.upstream.client import Connection
    from menderproxy.upstream.connector import Origin

MOST_IDLE = 32
"""Idle connections that are kept for each origin."""


class Pool:
    """
    Keeps connections for the next request to the same origin.

    The one that was used last is used first: it is the least likely to have been closed
    meanwhile, and those that are not needed grow old.
    """

    def __init__(self) -> None:
        self._idle: dict[Origin, list[Connection]] = {}
        self._standing: set[Connection] = set()
        self._emptied: list[Deferred[None]] = []

    @property
    def standing(self) -> int:
        """How many connections there are, idle or not."""
        return len(self._standing)

    @property
    def idle(self) -> int:
        """How many of them have nothing to do."""
        return sum(map(len, self._idle.values()))

    def take(self, origin: Origin) -> Connection | None:
        """Take an idle connection out, if there is one."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None

    def park(self, connection: Connection) -> None:
        """Keep a connection; for too many of them the oldest has to go."""
        idle = self._idle.setdefault(connection.origin, [])
        if len(idle) >= MOST_IDLE:
            idle.pop(0).abort()
        idle.append(connection)

    def opened(self, connection: Connection) -> None:
        """Take note of a new connection."""
        self._standing.add(connection)

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self._standing.discard(connection)
        idle = self._idle.get(connection.origin, [])
        if connection in idle:
            idle.remove(connection)
        if not idle:
            # A gateway may see many stores in its life.
            self._idle.pop(connection.origin, None)
        if not self._standing:
            emptied, self._emptied = self._emptied, []
            for deferred in emptied:
                deferred.callback(None)

    async def close(self) -> None:
        """Cut all connections, idle or not, and wait until they are gone."""
        for connection in list(self._standing):
            connection.give_up(UpstreamUnavailable("the gateway's connections are closed"))
        if self._standing:
            emptied: Deferred[None] = Deferred()
            self._emptied.append(emptied)
            await emptied
