"""A second look at what is whole: is it a sound Mender artifact, and is it still what it was."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.index import Entry, Index
from menderproxy.cache.interruptible import Interruptible, Stopped
from menderproxy.cache.threads import Threads
from menderproxy.cache.verification.artifact import Outcome, PublicKey, Verification, verify

Look = Callable[[Entry], Awaitable[None]]

STEP = 8 * 1024 * 1024
"""Bytes that a scrub reads at once."""

PAUSE = 0.2
"""Seconds between two such steps: devices come first at the disk."""


class Inspection:
    """
    Verifies each artifact after it has been published, and reads all of them again at times.

    A bad one is put into quarantine: never served again, fetched anew on the next request.

    :param threads: one of low priority, of its own.
    :param keys: an artifact must be signed with one of them, if there are any.
    :param interval: seconds between two scrubs, ``None`` for none.
    :ivar quarantined: artifacts found bad since the start.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        threads: Threads,
        directory: CacheDirectory,
        index: Index,
        *,
        keys: Sequence[PublicKey] = (),
        interval: float | None = None,
    ):
        self._threads = threads
        self._directory = directory
        self._index = index
        self._keys = keys
        self._interval = interval
        self._clock = clock
        self._waits = Interruptible(clock)
        self._queue: OrderedDict[tuple[Look, str], None] = OrderedDict()
        self._working: Deferred[None] | None = None
        # Not a LoopingCall: making one installs the default reactor.
        self._next_scrub: IDelayedCall | None = None
        self.quarantined = 0

    def start(self) -> None:
        """Look at what no earlier process has looked at, and begin to scrub."""
        self._waits = Interruptible(self._clock)
        for key, entry in list(self._index.entries.items()):
            if not entry.meta.verified:
                self.look_at(key)
        self._schedule_scrub()

    async def stop(self) -> None:
        """Stop looking."""
        if self._next_scrub is not None:
            self._next_scrub.cancel()
            self._next_scrub = None
        self._queue.clear()
        self._waits.stop()
        if self._working is not None:
            await self._working

    def look_at(self, key: str) -> None:
        """Verify an artifact when its turn comes."""
        self._enqueue(self._verify, key)

    def _schedule_scrub(self) -> None:
        if self._interval is not None:
            self._next_scrub = self._clock.callLater(self._interval, self._scrub)

    def _scrub(self) -> None:
        """Read all artifacts again, one after the other."""
        self._schedule_scrub()
        for key in list(self._index.entries):
            self._enqueue(self._read_again, key)

    def _enqueue(self, look: Look, key: str) -> None:
        self._queue.setdefault((look, key))
        if self._working is None:
            self._working = Deferred()
            Deferred.fromCoroutine(self._work()).addErrback(self._failed).chainDeferred(
                self._working
            )

    def _failed(self, failure: Failure) -> None:
        self.log.failure("inspection", failure)

    async def _work(self) -> None:
        try:
            while self._queue:
                (look, key), _ = self._queue.popitem(last=False)
                entry = self._index.entries.get(key)
                if entry is not None:
                    await self._look(look, entry)
        except Stopped:
            pass
        finally:
            self._working = None

    async def _look(self, look: Look, entry: Entry) -> None:
        try:
            await look(entry)
        except OSError as error:
            # The next device that wants it finds out for itself.
            self.log.warn("{name}: not inspected: {error}", name=entry.meta.name, error=error)

    async def _verify(self, entry: Entry) -> None:
        path = self._directory.object_path(entry.meta.key)
        found = await self._threads.run(_verify_file, path, self._keys)
        if found.outcome is Outcome.BAD or (self._keys and not found.signed):
            await self._quarantine(entry, found.detail or "not signed", may_be_the_stores=True)
            return
        signed = found.outcome is Outcome.GOOD and found.signed
        verdict = "signed" if signed else found.outcome.value
        self.log.info("{name}: {verdict}", name=entry.meta.name, verdict=verdict)
        entry.meta = attrs.evolve(entry.meta, verified=verdict)
        await self._threads.run(self._directory.save_meta, entry.meta)

    async def _read_again(self, entry: Entry) -> None:
        """Compare an artifact with its checksum, a step at a time."""
        digest = hashlib.sha256()
        path = self._directory.object_path(entry.meta.key)
        with await self._threads.run(path.open, "rb", buffering=0) as file:
            while piece := await self._threads.run(file.read, STEP):
                await self._threads.run(digest.update, piece)
                await self._waits.nap(PAUSE)
        if digest.hexdigest() != entry.meta.sha256:
            await self._quarantine(
                entry, "its bytes on the disk have changed", may_be_the_stores=False
            )

    async def _quarantine(self, entry: Entry, why: str, *, may_be_the_stores: bool) -> None:
        self.quarantined += 1
        meta = entry.meta
        self.log.error("{name}: quarantined: {why}", name=meta.name, why=why)
        if self._index.entries.get(meta.key) is entry:
            self._index.forget(meta.key)
            self._directory.withdraw(meta.key)
        condemned = await self._threads.run(
            self._directory.record_quarantine, meta, why, may_be_the_stores=may_be_the_stores
        )
        if condemned:
            self._index.condemned[meta.key] = meta


def _verify_file(path: Path, keys: Sequence[PublicKey]) -> Verification:
    with path.open("rb") as file:
        return verify(file, keys)
