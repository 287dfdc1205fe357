"""Room for one more artifact: the limits, what the disk has left, and who has to go."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TypeVar

import attrs
from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.errors import CacheUnusable
from menderproxy.cache.eviction import choose
from menderproxy.cache.fallocate import reserve
from menderproxy.cache.index import Index
from menderproxy.cache.statistics import Statistics
from menderproxy.cache.threads import Threads

T = TypeVar("T")

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
INODES = 8
"""Files that one artifact may need: itself, its sidecar, temporary ones, a directory."""


@attrs.frozen
class Limits:
    """
    What the cache may take.

    :param max_size: bytes in all, or ``None`` for as much as there is.
    :param min_free: bytes that have to stay free on the file system.
    """

    max_size: int | None = None
    min_free: int = 0


class Room:
    """
    Makes room before the first byte of an artifact is written.

    :param in_flight: bytes promised to downloads under way.
    :param statistics: counts who had to go.
    """

    log = Logger()

    def __init__(
        self,
        index: Index,
        directory: CacheDirectory,
        threads: Threads,
        limits: Limits,
        in_flight: Callable[[], int],
        statistics: Statistics,
    ):
        self._index = index
        self._directory = directory
        self._threads = threads
        self._limits = limits
        self._in_flight = in_flight
        self._statistics = statistics
        self._turn = DeferredLock()

    @property
    def taken(self) -> int:
        """Bytes that the cache takes, or will have taken when what is under way is here."""
        return self._index.bytes_used + self._in_flight()

    def claim(self, key: str) -> None:
        """What an earlier download left of this artifact is taken up: it can't make room now."""
        self._index.leftovers.pop(key, None)

    async def leave(self, key: str) -> None:
        """
        A download leaves its part of the artifact on the disk: to go on with, or to make room.

        :raises CacheUnusable: the disk fails.
        """
        leftover = await self._disk(self._directory.leftover, key)
        if leftover is not None:
            self._index.leftovers[key] = leftover

    async def create(self, key: str, length: int | None) -> int:
        """
        Create the file for an artifact, with its space reserved.

        :param length: bytes, or ``None`` when nobody knows.
        :returns: its descriptor.
        :raises CacheUnusable: there is no room for it, or the disk fails.
        """
        await self._turn.acquire()
        try:
            await self._clear(length or 0)
            return await self._evicting(self._directory.create_partial, key, length)
        finally:
            self._turn.release()

    async def extend(self, fd: int, length: int) -> None:
        """
        Reserve the rest of a file that an earlier process began.

        :raises CacheUnusable: there is no room for it, or the disk fails.
        """
        await self._turn.acquire()
        try:
            status = await self._disk(os.fstat, fd)
            await self._clear(length, here=status.st_blocks * 512)
            await self._evicting(reserve, fd, length)
        finally:
            self._turn.release()

    async def _clear(self, length: int, here: int = 0) -> None:
        """
        Evict for the limits and for what the file system says is free.

        :param here: bytes of the artifact that the file system has given already.
        """
        free = await self._disk(self._directory.free_space)
        needed = max(0, length - here) + self._limits.min_free - free.bytes
        if self._limits.max_size is not None:
            needed = max(needed, self.taken + length - self._limits.max_size)
        if free.inodes is not None and free.inodes < INODES:
            needed = max(needed, 1)
        await self._evict(needed)

    async def _evicting(self, work: Callable[..., int], *args: object) -> int:
        """Do what needs space; the disk is the one who knows whether there is enough."""
        while True:
            try:
                return await self._threads.run(work, *args)
            except OSError as error:
                if error.errno not in FULL:
                    raise CacheUnusable(str(error)) from None
            await self._evict(1)

    async def _evict(self, needed: int) -> None:
        if needed <= 0:
            return
        chosen = choose(self._index.candidates(), needed)
        if chosen is None:
            raise CacheUnusable(f"no room: {needed} bytes more than can be freed")
        for key in chosen:
            self.log.info("evicting {key}", key=key)
            self._statistics.evictions += 1
            self._index.forget(key)
            await self._disk(self._directory.delete, key)

    async def _disk(self, work: Callable[..., T], *args: object) -> T:
        try:
            return await self._threads.run(work, *args)
        except OSError as error:
            raise CacheUnusable(str(error)) from None
