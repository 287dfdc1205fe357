"""One artifact's way from the store to the disk: one download, whatever breaks on the way."""

from __future__ import annotations

import os

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from menderproxy.cache.checksums import MAX_REJECTIONS, Checksums, needs_md5
from menderproxy.cache.continuity import Verdict, judge
from menderproxy.cache.digests import Digests
from menderproxy.cache.errors import (
    ArtifactChanged,
    ArtifactError,
    ArtifactRefused,
    ArtifactUnavailable,
    CacheUnusable,
)
from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.inflow import Inflow, InflowBroken
from menderproxy.cache.interruptible import Interruptible, Stopped
from menderproxy.cache.lifecycle import Phase, lifecycle
from menderproxy.cache.meta import ArtifactMeta
from menderproxy.cache.part import Part
from menderproxy.cache.patience import Backoff
from menderproxy.cache.surroundings import StoreReply, Surroundings
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.store_url import StoreURL


class Download:
    """
    Brings one artifact into the cache.

    :param key: the cache's name for the artifact.
    :param url: a link to it; :meth:`freshen` brings newer ones.
    :param name: the artifact's name, for people.
    :ivar phase: where it is.
    """

    log = Logger()

    def __init__(self, key: str, url: StoreURL, name: str, world: Surroundings):
        self.key = key
        self.name = name
        self.phase = Phase.STARTING
        self._world = world
        self._url = url
        self._held: RemoteObject | None = None
        self._changed_at = 0.0
        self._part: Part | None = None
        self._inflow: Inflow | None = None
        self._ended = False
        self._checksums = Checksums()
        self._failure: ArtifactError | None = None
        self._waiting_for_head: list[Deferred[ArtifactFile]] = []
        self._waits = Interruptible(world.clock)
        self._backoff = Backoff(world.patience, world.jitter)
        self._progress_at = world.clock.seconds()
        self._refused_at: float | None = None
        self._parked = False
        self._lifecycle = lifecycle(self._enter)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase

    # For those who want the artifact

    def head(self) -> Deferred[ArtifactFile]:
        """Fires with the growing file once its length is known; fails with ArtifactError."""
        if self._failure is not None:
            return fail(self._failure)
        waiting: Deferred[ArtifactFile] = Deferred(self._waiting_for_head.remove)
        self._waiting_for_head.append(waiting)
        self._show_head()
        return waiting

    def _show_head(self) -> None:
        file = None if self._part is None else self._part.file
        if file is not None:
            waiting, self._waiting_for_head = self._waiting_for_head, []
            for deferred in waiting:
                deferred.callback(file)

    def freshen(self, url: StoreURL) -> None:
        """A newer link to the same artifact."""
        if url != self._url:
            self._url = url
            if self._parked:
                self._waits.wake()

    @property
    def wanted(self) -> bool:
        """Whether a device waits for it."""
        return bool(self._waiting_for_head) or (self._part is not None and self._part.wanted)

    @property
    def promised(self) -> int:
        """Bytes of disk that it will have taken."""
        return 0 if self._held is None else self._held.length or 0

    def stop(self) -> None:
        """Break off; what is here stays on the disk for the next process."""
        self._waits.stop()

    # The way to the disk

    async def run(self) -> ArtifactFile:
        """
        Bring the whole artifact in.

        :returns: the whole file, published; one use of it is the caller's.
        :raises ArtifactError: it can't be had. All who wait have been told.
        """
        try:
            await self._take_up()
            while True:
                while not self._all_here():
                    await self._one_connection()
                digests = await self._checked()
                if digests is not None:
                    return await self._publish(digests)
        except Exception as error:
            self._lifecycle.failed()
            raise await self._closed(error) from None

    def _all_here(self) -> bool:
        return self._part is not None and (
            self._ended or self._part.writer.taken == self._expected_length()
        )

    def _expected_length(self) -> int | None:
        return None if self._held is None else self._held.length

    def _offset(self) -> int:
        """Where to go on; an object of unknown length has to be begun anew."""
        if self._part is None or self._expected_length() is None:
            return 0
        return self._part.writer.taken

    async def _take_up(self) -> None:
        """Go on with what an earlier process left."""
        self._world.room.claim(self.key)
        partial = await self._world.disk(self._world.directory.open_partial, self.key)
        if partial is None:
            return
        meta = partial.meta
        try:
            await self._world.room.extend(partial.fd, meta.length)
        except BaseException:
            os.close(partial.fd)
            raise
        self._held, self._changed_at = meta.remote, meta.changed_at
        self._follow(partial.fd, partial.offset, meta)
        self.log.info("{name}: going on at {offset}", name=self.name, offset=partial.offset)

    async def _one_connection(self) -> None:
        """Ask the store once, and take what it gives."""
        self._check_disk()
        offset = self._offset()
        url = self._url
        if self.phase is Phase.BROKEN:
            self._lifecycle.retried()
        try:
            reply = await self._waits.wait_for(
                self._world.fetch(url, b"bytes=%d-" % offset if offset else None)
            )
        except Stopped:
            raise
        except Exception as error:
            await self._try_later(str(error))
            return
        verdict = judge(self._held, offset, reply.remote)
        if verdict in (Verdict.BEGIN, Verdict.ANEW, Verdict.CONTINUE):
            self._lifecycle.answered()
            self._refused_at = None
            await self._receive(verdict, reply)
        else:
            reply.body.abort()
            await self._not_served(verdict, url, reply.remote)

    async def _not_served(self, verdict: Verdict, url: StoreURL, remote: RemoteObject) -> None:
        if verdict is Verdict.REFUSED:
            raise ArtifactRefused(remote.status)
        if verdict is Verdict.LINK_REFUSED:
            await self._await_fresher_link(url, remote.status)
        elif verdict is Verdict.CHANGED:
            await self._start_over("the artifact changed at the store")
            await self._try_later("the artifact changed at the store")
        else:
            await self._try_later(f"the store answered {remote.status}", remote.retry_after)

    async def _receive(self, verdict: Verdict, reply: StoreReply) -> None:
        try:
            await self._prepare(verdict, reply.remote)
            self._check_disk()
        except BaseException:
            reply.body.abort()
            raise
        assert self._part is not None
        writer = self._part.writer
        before, broken = writer.taken, None
        self._inflow = self._world.inflow(reply.body, writer, self._expected_length())
        try:
            await self._waits.wait_for(self._inflow.run())
            self._ended = True
        except InflowBroken as error:
            broken = str(error)
        finally:
            self._inflow = None
        self._check_disk()
        if broken is not None and not self._all_here():
            if self._offset() > before:
                self._backoff.progress()
                self._progress_at = self._world.clock.seconds()
            await self._try_later(broken)

    def _check_disk(self) -> None:
        if self._part is not None:
            self._part.check()

    async def _prepare(self, verdict: Verdict, remote: RemoteObject) -> None:
        """Have a file that the bytes of this answer belong into."""
        if verdict is Verdict.CONTINUE:
            self._learn_checksums(remote)
            return
        if verdict is Verdict.ANEW:
            await self._start_over("the store sends another object")
        if self._world.condemns(self.key, remote.etag, remote.length):
            raise ArtifactUnavailable("the store still has the version that was found bad")
        # Whoever has bytes of an earlier version may come back for the rest.
        self._changed_at = max(
            self._changed_at,
            remote.made_before(self._world.now()),
            await self._replaced_at(remote),
        )
        fd = await self._world.room.create(self.key, remote.length)
        self._held = remote
        meta = None if remote.length is None else self._meta(remote, remote.length)
        self._follow(fd, 0, meta)
        if meta is not None:
            await self._world.disk(self._world.directory.save_partial, meta, 0)

    async def _replaced_at(self, remote: RemoteObject) -> float:
        """The time until which devices may have been given another one."""
        before = await self._world.disk(self._world.directory.known, self.key)
        if before is None:
            return 0.0
        if before.meta.remote.same_object(remote):
            return before.meta.changed_at
        # Our clock may have been set back since.
        return max(self._world.now(), before.until or 0.0, before.meta.changed_at)

    def _learn_checksums(self, remote: RemoteObject) -> None:
        """Not every answer tells the checksums."""
        assert self._held is not None and self._part is not None
        self._held = attrs.evolve(
            self._held,
            md5=self._held.md5 or remote.md5,
            sha256=self._held.sha256 or remote.sha256,
        )
        if needs_md5(self._held):
            self._part.writer.want_md5()

    def _follow(self, fd: int, offset: int, meta: ArtifactMeta | None) -> None:
        assert self._held is not None
        self._part = Part(
            self._world, fd, offset, meta, md5=needs_md5(self._held), on_commit=self._wrote
        )
        self._show_head()

    def _meta(self, remote: RemoteObject, length: int) -> ArtifactMeta:
        return ArtifactMeta.of(
            remote,
            length,
            key=self.key,
            source=self._url.redacted,
            name=self.name,
            changed_at=self._changed_at,
        )

    def _wrote(self) -> None:
        if self._part is not None:
            self._part.show()
            if self._part.writer.failure is not None:
                self._waits.wake()
        if self._inflow is not None:
            self._inflow.written()

    # The end

    async def _checked(self) -> Digests | None:
        """The digests of what came, or ``None`` when it was wrong and is forgotten."""
        assert self._part is not None and self._held is not None
        self._lifecycle.received()
        digests = await self._part.digests()
        if self._checksums.accept(self._held, sha256=digests.sha256, md5=digests.md5):
            return digests
        self._lifecycle.rejected()
        why = "what the store sent doesn't match its checksum"
        await self._start_over(why)
        if self._checksums.hopeless:
            raise ArtifactUnavailable(f"{why}, {MAX_REJECTIONS} times")
        await self._try_later(why)
        return None

    async def _publish(self, digests: Digests) -> ArtifactFile:
        """Let the last byte go, and give the artifact its name."""
        part, held = self._part, self._held
        assert part is not None and held is not None
        meta = self._meta(held, part.writer.committed) if part.file is None else part.file.meta
        file = part.complete(
            attrs.evolve(meta, sha256=digests.sha256.hex(), stored_at=self._world.now())
        )
        self._show_head()
        await part.publish()
        self._lifecycle.published()
        return file

    async def _start_over(self, why: str) -> None:
        """Drop what is here; whoever has bytes of it is cut off."""
        self.log.warn("{name}: starting over: {why}", name=self.name, why=why)
        changed_at = None
        if self._expected_length() is not None:
            self._changed_at = changed_at = self._world.now()
        await self._drop(ArtifactChanged(why), keep=False, changed_at=changed_at)
        self._held, self._ended = None, False

    async def _closed(self, error: Exception) -> ArtifactError:
        """Tell all who wait, and give what they were told."""
        if isinstance(error, Stopped):
            reason: ArtifactError = ArtifactUnavailable("the gateway is shutting down")
        elif isinstance(error, ArtifactError):
            reason = error
        else:
            self.log.failure("download")
            reason = ArtifactUnavailable("internal error")
        await self._drop(reason, keep=not isinstance(reason, CacheUnusable))
        self._failure = reason
        waiting, self._waiting_for_head = self._waiting_for_head, []
        for deferred in waiting:
            deferred.errback(reason)
        return reason

    async def _drop(
        self, reason: ArtifactError, *, keep: bool, changed_at: float | None = None
    ) -> None:
        """
        Let go of what is here.

        :param keep: it stays on the disk, to go on with another time, if that can be done.
        :param changed_at: what is to be known of it if it does not.
        """
        part, self._part = self._part, None
        kept = part is not None and await part.close(reason, sync=keep)
        try:
            if kept:
                await self._world.room.leave(self.key)
            else:
                remove = self._world.directory.remove_partial
                await self._world.disk(remove, self.key, changed_at)
        except CacheUnusable as error:
            self.log.warn("{name}: {error}", name=self.name, error=error)

    # Waiting

    async def _try_later(self, why: str, asked: float | None = None) -> None:
        if self.phase is not Phase.BROKEN:
            self._lifecycle.broke()
        unheard = self._world.clock.seconds() - self._progress_at
        if not self.wanted and unheard > self._world.patience.unwanted:
            raise ArtifactUnavailable(f"given up, no device waits for it: {why}")
        pause = self._backoff.pause(asked)
        self.log.warn("{name}: {why}; again in {pause:.1f} s", name=self.name, why=why, pause=pause)
        await self._waits.nap(pause)

    async def _await_fresher_link(self, used: StoreURL, status: int) -> None:
        """
        Park until a device brings a newer link: they get one with each poll.

        Once there are bytes, the old one is tried again as well. Stores refuse one for a moment,
        too, and when all devices hang on this download nobody is left to poll.
        """
        self._lifecycle.broke()
        now, patience = self._world.clock.seconds(), self._world.patience
        if self._refused_at is None:
            self._refused_at = now
        begun = self._part is not None and self._part.writer.taken > 0
        until = self._refused_at + (patience.unwanted if begun else patience.fresher_link)
        if self._url == used and now < until:
            pause = min(self._backoff.pause(), until - now) if begun else until - now
            self.log.warn(
                "{name}: the store refuses the link ({status}); waiting for a fresher one,"
                " {pause:.1f} s at most",
                name=self.name,
                status=status,
                pause=pause,
            )
            self._parked = True
            try:
                await self._waits.nap(pause)
            finally:
                self._parked = False
        self._check_disk()
        if now >= until or (self._url == used and self._world.clock.seconds() >= until):
            raise ArtifactRefused(status)
