"""One artifact's way from the store to the disk: one download, whatever breaks on the way."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar, cast

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from menderproxy.cache.continuity import Verdict, judge
from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.errors import (
    ArtifactChanged,
    ArtifactError,
    ArtifactRefused,
    ArtifactUnavailable,
    CacheUnusable,
)
from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.inflow import Inflow, InflowBroken
from menderproxy.cache.lifecycle import Phase, lifecycle
from menderproxy.cache.meta import ArtifactMeta
from menderproxy.cache.threads import Threads
from menderproxy.cache.writer import Writer
from menderproxy.wire.body import Body
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.store_url import StoreURL

P = ParamSpec("P")
T = TypeVar("T")


class StoreReply(Protocol):
    """A store's answer: its head, and a body to be delivered or aborted."""

    @property
    def remote(self) -> RemoteObject:
        """The head."""

    @property
    def body(self) -> Body:
        """The body."""


class Fetch(Protocol):
    """Asks a store for an artifact."""

    def __call__(self, url: StoreURL, range_header: bytes | None) -> Awaitable[StoreReply]:
        """Ask; any exception means that the store can't be had now."""


@attrs.frozen
class Patience:
    """
    How long we try, in seconds.

    :param first_retry: before the first new try; it doubles with each that brings nothing.
    :param longest_retry: between two tries at most.
    :param fresher_link: for a better link before a store's refusal is passed on.
    :param unwanted: without progress, once no device waits for the artifact any more.
    """

    first_retry: float = 0.5
    longest_retry: float = 60.0
    fresher_link: float = 60.0
    unwanted: float = 1800.0


@attrs.frozen
class Surroundings:
    """
    What a download needs of the world.

    :param now: Unix time.
    :param jitter: a random number from 0 to 1.
    """

    clock: IReactorTime
    now: Callable[[], float]
    threads: Threads
    directory: CacheDirectory
    fetch: Fetch
    jitter: Callable[[], float]
    patience: Patience = Patience()


class Download:
    """
    Brings one artifact into the cache.

    :param key: the cache's name for the artifact.
    :param url: a link to it; :meth:`freshen` brings newer ones.
    :param name: the artifact's name, for people.
    :ivar phase: where it is.
    :ivar file: what is here of the artifact, once its length is known.
    """

    log = Logger()

    def __init__(self, key: str, url: StoreURL, name: str, surroundings: Surroundings):
        self.key = key
        self.name = name
        self.phase = Phase.STARTING
        self.file: ArtifactFile | None = None
        self._world = surroundings
        self._url = url
        self._held: RemoteObject | None = None
        self._changed_at = 0.0
        self._fd: int | None = None
        self._writer: Writer | None = None
        self._inflow: Inflow | None = None
        self._waiting_for_head: list[Deferred[ArtifactFile]] = []
        self._interruptible: Deferred[object] | None = None
        self._nap: Deferred[None] | None = None
        self._stopping = False
        self._ended = False
        self._fruitless = 0
        self._progress_at = surroundings.clock.seconds()
        self._rejected: bytes | None = None
        self._lifecycle = lifecycle(self._enter)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase

    # For those who want the artifact

    def head(self) -> Deferred[ArtifactFile]:
        """Fires with the growing file once its length is known; fails with ArtifactError."""
        waiting: Deferred[ArtifactFile] = Deferred(self._waiting_for_head.remove)
        self._waiting_for_head.append(waiting)
        self._show_head()
        return waiting

    def freshen(self, url: StoreURL) -> None:
        """A newer link to the same artifact."""
        if url != self._url:
            self._url = url
            if self._nap is not None:
                self._nap.cancel()

    @property
    def wanted(self) -> bool:
        """Whether a device waits for it."""
        return bool(self._waiting_for_head) or (self.file is not None and self.file.users > 1)

    def stop(self) -> None:
        """Break off; what is here stays on the disk for the next process."""
        self._stopping = True
        if self._interruptible is not None:
            self._interruptible.cancel()

    # The way to the disk

    async def run(self) -> ArtifactFile:
        """
        Bring the whole artifact in.

        :returns: the whole file, published; it holds one use of it that is the caller's.
        :raises ArtifactError: it can't be had. All who wait have been told.
        """
        try:
            await self._take_up()
            while not self._all_here():
                await self._one_connection()
            return await self._finish()
        except BaseException as error:
            self._lifecycle.failed()
            await self._close(error if isinstance(error, ArtifactError) else None)
            raise

    async def _take_up(self) -> None:
        """Go on with what an earlier process left."""
        partial = await self._disk(self._world.directory.open_partial, self.key)
        if partial is None:
            return
        meta = partial.meta
        self._held = RemoteObject(
            status=200, length=meta.length, etag=meta.etag, last_modified=meta.last_modified
        )
        self._changed_at = meta.changed_at
        self._follow(partial.fd, partial.offset, meta)
        self.log.info("going on with {name} at {offset}", name=self.name, offset=partial.offset)

    def _all_here(self) -> bool:
        if self._writer is None or self._writer.failure is not None:
            return False
        return self._ended or self._writer.taken == self._expected_length()

    async def _one_connection(self) -> None:
        """Ask the store once, and take what it gives."""
        offset = 0 if self._writer is None else self._writer.taken
        url = self._url
        if self.phase is Phase.BROKEN:
            self._lifecycle.retried()
        try:
            reply = await self._interrupted_by_stop(
                self._world.fetch(url, b"bytes=%d-" % offset if offset else None)
            )
        except ArtifactError:
            raise
        except Exception as error:
            await self._try_later(str(error))
            return
        verdict = judge(self._held, offset, reply.remote)
        if verdict in (Verdict.BEGIN, Verdict.ANEW, Verdict.CONTINUE):
            self._lifecycle.answered()
            await self._receive(verdict, reply)
            return
        reply.body.abort()
        status = reply.remote.status
        if verdict is Verdict.REFUSED:
            raise ArtifactRefused(status)
        if verdict is Verdict.LINK_REFUSED:
            await self._await_fresher_link(url, status)
        elif verdict is Verdict.CHANGED:
            await self._forget("the artifact changed at the store")
            await self._try_later("the artifact changed at the store")
        else:
            await self._try_later(f"the store answered {status}", reply.remote.retry_after)

    async def _receive(self, verdict: Verdict, reply: StoreReply) -> None:
        try:
            if verdict is not Verdict.CONTINUE:
                if verdict is Verdict.ANEW:
                    await self._forget("the artifact changed at the store")
                await self._begin(reply.remote)
        except BaseException:
            reply.body.abort()
            raise
        assert self._writer is not None
        before = self._writer.taken
        self._inflow = Inflow(reply.body, self._writer, self._expected_length())
        try:
            await self._interrupted_by_stop(self._inflow.run())
            self._ended = True
        except InflowBroken as broken:
            if self._writer.taken > before:
                self._fruitless = 0
                self._progress_at = self._world.clock.seconds()
            await self._try_later(str(broken))
        finally:
            self._inflow = None
        if self._writer is not None and self._writer.failure is not None:
            raise CacheUnusable(str(self._writer.failure))

    async def _begin(self, remote: RemoteObject) -> None:
        """Make room for a new object."""
        fd = await self._disk(self._world.directory.create_partial, self.key)
        self._held, self._ended = remote, False
        meta = self._meta(remote) if remote.length is not None else None
        self._follow(fd, 0, meta)
        if meta is not None:
            await self._disk(self._world.directory.save_partial, meta, 0)

    def _follow(self, fd: int, offset: int, meta: ArtifactMeta | None) -> None:
        self._fd = fd
        self._writer = Writer(
            self._world.clock,
            self._world.threads,
            fd,
            offset,
            on_commit=self._committed,
            save=lambda durable: self._save(meta, durable),
        )
        if meta is not None:
            self.file = self._open_file(fd, meta, offset)
            self._show_head()

    def _open_file(self, fd: int, meta: ArtifactMeta, committed: int) -> ArtifactFile:
        file = ArtifactFile(self._world.clock, fd, meta, committed=committed, whole=False)
        file.acquire()
        return file

    def _save(self, meta: ArtifactMeta | None, durable: int) -> None:
        # In a thread. Without a length the artifact can't be resumed, so there is no sidecar.
        if meta is not None:
            self._world.directory.save_partial(meta, durable)

    def _meta(self, remote: RemoteObject, length: int | None = None) -> ArtifactMeta:
        return ArtifactMeta(
            key=self.key,
            source=self._url.redacted,
            name=self.name,
            length=remote.length if length is None else length,  # type: ignore[arg-type]
            etag=remote.etag,
            last_modified=remote.last_modified,
            content_type=remote.content_type,
            changed_at=self._changed_at,
        )

    def _committed(self) -> None:
        assert self._writer is not None
        if self.file is not None:
            self.file.commit(self._writer.committed)
        if self._inflow is not None:
            self._inflow.written()

    # The end

    async def _finish(self) -> ArtifactFile:
        """Check what came, let the last byte go, and give the artifact its name."""
        assert self._writer is not None and self._held is not None and self._fd is not None
        self._lifecycle.received()
        try:
            digests = await self._writer.digests()
        except OSError as error:
            raise CacheUnusable(str(error)) from None
        if self._is_wrong(digests.sha256.digest(), digests.md5.digest()):
            return await self._start_over(digests.sha256.digest())
        if self.file is None:
            meta = self._meta(self._held, self._writer.committed)
            self.file = self._open_file(self._fd, meta, self._writer.committed)
        self.file.meta = attrs.evolve(
            self.file.meta, sha256=digests.sha256.digest().hex(), stored_at=self._world.now()
        )
        self.file.complete()
        self._show_head()
        await self._writer.close(sync=False)
        await self._disk(self._world.directory.publish, self._fd, self.file.meta)
        self._lifecycle.published()
        return self.file

    def _is_wrong(self, sha256: bytes, md5: bytes) -> bool:
        assert self._held is not None
        if self._held.sha256 is not None:
            return self._held.sha256 != sha256
        if self._held.md5 is None or self._held.md5 == md5:
            return False
        # The same bytes twice, against a tag that only looks like an MD5: believe the bytes.
        return self._rejected != sha256

    async def _start_over(self, rejected: bytes) -> ArtifactFile:
        self._rejected = rejected
        self._lifecycle.rejected()
        await self._forget("the store's checksum doesn't match what it sent")
        await self._try_later("the store's checksum doesn't match what it sent")
        while not self._all_here():
            await self._one_connection()
        return await self._finish()

    async def _forget(self, why: str) -> None:
        """Drop what is here; whoever has bytes of it is cut off."""
        self.log.warn("{name}: starting over: {why}", name=self.name, why=why)
        self._changed_at = self._world.now()
        await self._drop_file(ArtifactChanged(why), sync=False)
        await self._disk(self._world.directory.remove_partial, self.key)
        self._held = None

    async def _close(self, error: ArtifactError | None) -> None:
        reason = ArtifactUnavailable("the gateway gave up") if error is None else error
        await self._drop_file(reason, sync=True)
        waiting, self._waiting_for_head = self._waiting_for_head, []
        for deferred in waiting:
            deferred.errback(reason)

    async def _drop_file(self, reason: ArtifactError, *, sync: bool) -> None:
        writer, file, fd = self._writer, self.file, self._fd
        self._writer, self.file, self._fd = None, None, None
        if writer is not None:
            await writer.close(sync=sync)
        if file is not None:
            if not file.whole:
                file.break_off(reason)
            file.release()
        elif fd is not None:
            os.close(fd)

    # Waiting

    async def _try_later(self, why: str, retry_after: float | None = None) -> None:
        if self.phase is not Phase.BROKEN:
            self._lifecycle.broke()
        patience = self._world.patience
        unheard = self._world.clock.seconds() - self._progress_at
        if not self.wanted and unheard > patience.unwanted:
            raise ArtifactUnavailable(f"given up, no device waits for it: {why}")
        delay = min(patience.longest_retry, patience.first_retry * 2**self._fruitless)
        self._fruitless = min(self._fruitless + 1, 16)
        delay *= 0.5 + self._world.jitter() / 2
        delay = max(delay, min(retry_after or 0.0, 10 * patience.longest_retry))
        self.log.warn("{name}: {why}; again in {delay:.1f} s", name=self.name, why=why, delay=delay)
        await self._sleep(delay)

    async def _await_fresher_link(self, used: StoreURL, status: int) -> None:
        """Park until a device brings a newer link; they get one with each poll."""
        self._lifecycle.broke()
        if self._url != used:
            return
        patience = self._world.patience
        has_bytes = self._writer is not None and self._writer.taken > 0
        self.log.warn(
            "{name}: the store refuses the link ({status}); waiting for a fresher one",
            name=self.name,
            status=status,
        )
        await self._sleep(patience.unwanted if has_bytes else patience.fresher_link, nap=True)
        if self._url == used:
            raise ArtifactRefused(status)

    async def _sleep(self, seconds: float, *, nap: bool = False) -> None:
        """Wait; a fresher link ends a *nap* early."""
        over: Deferred[None] = Deferred()
        call = self._world.clock.callLater(seconds, over.callback, None)
        if nap:
            self._nap = over
        try:
            await self._interrupted_by_stop(over)
        except CancelledError:
            # The fresher link woke us.
            pass
        finally:
            self._nap = None
            if call.active():
                call.cancel()

    # Small things

    def _expected_length(self) -> int | None:
        return None if self._held is None else self._held.length

    def _show_head(self) -> None:
        if self.file is not None:
            waiting, self._waiting_for_head = self._waiting_for_head, []
            for deferred in waiting:
                deferred.callback(self.file)

    async def _disk(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._world.threads.run(work, *args, **kwargs)
        except OSError as error:
            raise CacheUnusable(str(error)) from None

    async def _interrupted_by_stop(self, awaited: Awaitable[T]) -> T:
        waiting = Deferred.fromCoroutine(_wait(awaited))
        self._interruptible = cast("Deferred[object]", waiting)
        if self._stopping:
            waiting.cancel()
        try:
            return await waiting
        except CancelledError:
            if self._stopping:
                raise ArtifactUnavailable("the gateway is shutting down") from None
            raise
        finally:
            self._interruptible = None


async def _wait(awaited: Awaitable[T]) -> T:
    return await awaited
