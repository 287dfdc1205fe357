"""Bytes from the network to a file: ordered, in a thread, hashed on the way, synced in steps."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from menderproxy.cache.digests import Digests
from menderproxy.cache.gather import write_gathered
from menderproxy.cache.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

BATCH = 1024 * 1024
"""
Bytes that are written without waiting for more.

Each trip to a thread and back costs about as much as writing 256 KiB does.
"""

LINGER = 0.05
"""Seconds that fewer bytes wait for company: as often as readers are woken at most."""

SYNC_STEP = 8 * 1024 * 1024
"""Bytes between two syncs: what a power cut costs of the uplink at most."""


class Writer:
    """
    Appends to one file through the cache's threads, one write at a time.

    :param fd: readable and writable.
    :param offset: where the file ends now.
    :param md5: compute the MD5 on the way as well, not only the SHA-256.
    :param on_commit: called after each write: there is more in the file.
    :param save: writes down (in a thread) that so many bytes are synced.
    :ivar committed: where the file ends now.
    :ivar taken: where it will end when all that was taken is written.
    :ivar failure: what the disk said; nothing is written after that.
    """

    def __init__(
        self,
        clock: IReactorTime,
        threads: Threads,
        fd: int,
        offset: int,
        *,
        md5: bool = False,
        on_commit: Callable[[], object],
        save: Callable[[int], object],
    ):
        self._clock = clock
        self._threads = threads
        self._fd = fd
        self._on_commit = on_commit
        self._save = save
        self.committed = offset
        self.taken = offset
        self.failure: Exception | None = None
        self._digests = Digests(md5=md5)
        self._pending: list[bytes] = []
        self._in_flight = 0
        self._linger: IDelayedCall | None = None
        self._synced = offset
        self._syncing = False
        self._jobs = 0
        self._idle: list[Deferred[None]] = []

    @property
    def backlog(self) -> int:
        """Bytes taken that are not in the file yet."""
        return self.taken - self.committed

    def write(self, data: bytes) -> None:
        """Take the next bytes; the first ones are written at once, then larger pieces."""
        if self.failure is not None:
            return
        self._pending.append(data)
        self.taken += len(data)
        if not self._in_flight:
            self._write_soon()

    async def flush(self) -> None:
        """
        Wait until all bytes taken are in the file.

        :raises Exception: what the disk said.
        """
        while self.backlog and self.failure is None:
            if not self._in_flight:
                self._start_writing()
            await self._no_jobs()
        if self.failure is not None:
            raise self.failure

    def want_md5(self) -> None:
        """Compute the MD5, too; what went by without it is read from the file in the end."""
        if not self._digests.has_md5:
            # A thread may be at work on the old ones: they are left to it.
            self._digests = Digests(md5=True)

    async def digests(self) -> Digests:
        """The digests of all that is in the file."""
        await self.flush()
        await self._job(self._digests.catch_up, self._fd, self.committed)
        return self._digests

    async def close(self, *, sync: bool) -> None:
        """
        Take no more, and wait until no thread touches the file any longer.

        :param sync: first put what is here safely on the disk, for a later process.
        """
        if sync and self.failure is None:
            with contextlib.suppress(Exception):
                await self.flush()
                await self._job(self._sync, self.committed)
        self._dont_linger()
        self._pending.clear()
        self.taken = self.committed + self._in_flight
        await self._no_jobs()

    def _write_soon(self) -> None:
        """Write what there is, once it is enough, or has waited long enough for more."""
        if self.backlog >= BATCH or self.committed == 0:
            self._start_writing()
        elif self._linger is None:
            self._linger = self._clock.callLater(LINGER, self._start_writing)

    def _start_writing(self) -> None:
        self._dont_linger()
        pieces, self._pending = self._pending, []
        self._in_flight = self.backlog
        self._job(self._append, pieces, self.committed, self._digests).addCallbacks(
            self._written, self._failed
        )

    def _append(self, pieces: list[bytes], offset: int, digests: Digests) -> None:
        write_gathered(self._fd, pieces, offset)
        if digests.offset == offset:
            digests.update(pieces)

    def _written(self, _: None) -> None:
        self.committed += self._in_flight
        self._in_flight = 0
        if self.committed - self._synced >= SYNC_STEP and not self._syncing:
            self._syncing = True
            self._job(self._sync, self.committed).addCallbacks(self._was_synced, self._failed)
        self._on_commit()
        if self._pending and not self._in_flight and self.failure is None:
            self._write_soon()

    def _failed(self, failure: Failure) -> None:
        self._in_flight = 0
        self._syncing = False
        if self.failure is None:
            self.failure = cast(Exception, failure.value)
            self._on_commit()

    def _sync(self, committed: int) -> int:
        os.fdatasync(self._fd)
        self._save(committed)
        return committed

    def _was_synced(self, committed: int) -> None:
        self._syncing = False
        self._synced = committed

    def _dont_linger(self) -> None:
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        self._linger = None

    def _job(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        self._jobs += 1
        return self._threads.run(work, *args, **kwargs).addBoth(self._job_done)

    def _job_done(self, result: T) -> T:
        self._jobs -= 1
        if not self._jobs:
            # Not from within the job's own callbacks: those have yet to see its result.
            self._clock.callLater(0, self._tell_idle)
        return result

    def _no_jobs(self) -> Deferred[None]:
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        if not self._jobs:
            self._tell_idle()
        return idle

    def _tell_idle(self) -> None:
        if not self._jobs:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)
