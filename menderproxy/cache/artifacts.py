"""The cache's front door: any artifact, finished or in flight, for any number of devices."""

from __future__ import annotations

import enum
import errno
import os
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from menderproxy.cache.deleted import KnownVersion
from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.download import Download
from menderproxy.cache.errors import ArtifactError, ArtifactUnavailable
from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.index import Entry, Index
from menderproxy.cache.inspection import Inspection
from menderproxy.cache.patience import Patience
from menderproxy.cache.reader import Reader
from menderproxy.cache.room import Limits, Room
from menderproxy.cache.statistics import Statistics
from menderproxy.cache.surroundings import Fetch, Surroundings
from menderproxy.cache.threads import Threads, shielded
from menderproxy.wire.store_url import StoreURL

REMEMBERED_LINKS = 4096
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Outcome(enum.StrEnum):
    """Where an artifact was when a device asked for it."""

    HIT = "hit"
    """On the disk."""

    JOINED = "joined"
    """On its way, for somebody else."""

    MISS = "miss"
    """In its store; this request has the download begun."""


class OpenArtifact:
    """
    An artifact that can be read: all of it is here, or on its way. To be closed after use.

    :ivar meta: what is known of it.
    :ivar outcome: where it was when it was asked for.
    """

    def __init__(
        self, file: ArtifactFile, threads: Threads, statistics: Statistics, outcome: Outcome
    ):
        self.meta = file.meta
        self.outcome = outcome
        self._file = file
        self._threads = threads
        self._statistics = statistics
        file.acquire()

    def reader(self, first: int, last: int) -> Reader:
        """A reader of the bytes from *first* to *last*, inclusive; to be closed by itself."""
        return Reader(self._file, self._threads, first, last, self._statistics)

    def close(self) -> None:
        """No more readers are wanted."""
        self._file.release()


class ArtifactCache(Service):
    """
    One download per artifact, ever, and any number of devices that follow it.

    :param directory: where the artifacts lie.
    :param threads: for all that blocks.
    :param fetch: asks a store.
    :param now: Unix time.
    :param inspector: makes what looks at artifacts after they are published, if anything does.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        directory: CacheDirectory,
        threads: Threads,
        fetch: Fetch,
        *,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        patience: Patience | None = None,
        limits: Limits | None = None,
        inspector: Callable[[Index], Inspection] | None = None,
    ):
        self._reactor = reactor
        self._directory = directory
        self._threads = threads
        self._downloads: dict[str, Download] = {}
        self.statistics = Statistics()
        self._running: set[Deferred[None]] = set()
        self._links: OrderedDict[str, StoreURL] = OrderedDict()
        self.index = Index(lambda: iter(self._downloads))
        self._inspection = None if inspector is None else inspector(self.index)
        self._world = Surroundings(
            clock=reactor,
            now=now,
            threads=threads,
            directory=directory,
            room=Room(
                self.index,
                directory,
                threads,
                Limits() if limits is None else limits,
                lambda: sum(download.promised for download in self._downloads.values()),
                self.statistics,
            ),
            fetch=fetch,
            condemns=self.index.condemns,
            jitter=jitter,
            patience=Patience() if patience is None else patience,
            statistics=self.statistics,
        )

    def startService(self) -> None:
        """
        Take over the directory and learn what is in it.

        :raises CacheDirectoryError: it can't be used.
        """
        self._directory.claim()
        super().startService()  # type: ignore[no-untyped-call]
        for stored in sorted(self._directory.scan(), key=lambda one: one.served_at):
            self.index.add(Entry(self._reactor, stored.meta, stored.served_at))
        for leftover in self._directory.leftovers():
            self.index.leftovers[leftover.key] = leftover
        for bad in self._directory.condemned():
            self.index.condemned[bad.key] = bad
        if self._inspection is not None:
            self._inspection.start()

    async def stop(self) -> None:
        """Break off the downloads; what is here of them stays for the next process."""
        super().stopService()  # type: ignore[no-untyped-call]
        for download in self._downloads.values():
            download.stop()
        await DeferredList(list(self._running))
        if self._inspection is not None:
            await self._inspection.stop()
        for entry in self.index.entries.values():
            entry.close()
        self.index.entries.clear()
        self.index.leftovers.clear()
        self._directory.release()

    def remember(self, url: StoreURL) -> None:
        """A deployment named this link: of several to one artifact the newest counts."""
        key = url.cache_key
        self._links[key] = url
        self._links.move_to_end(key)
        if len(self._links) > REMEMBERED_LINKS:
            self._links.popitem(last=False)
        if key in self._downloads:
            self._downloads[key].freshen(url)

    def holds(self, url: StoreURL) -> bool:
        """Whether the artifact is here, or on its way, or here in part."""
        key = url.cache_key
        return key in self.index.entries or key in self._downloads or key in self.index.leftovers

    async def known(self, url: StoreURL) -> KnownVersion | None:
        """
        What devices may have bytes of from here.

        A disk that fails is no reason to refuse them the rest.
        """
        try:
            return await self._threads.run(self._directory.known, url.cache_key)
        except OSError as error:
            self.log.warn("what was in the cache is not known: {error}", error=error)
            return None

    def freshest(self, url: StoreURL) -> StoreURL:
        """The newest link to the same artifact."""
        return self._links.get(url.cache_key, url)

    @property
    def downloads(self) -> int:
        """How many downloads are under way."""
        return len(self._downloads)

    @property
    def size(self) -> int:
        """Bytes of all that is here, and of all that is to come of what is on its way."""
        return self._world.room.taken

    @property
    def quarantined(self) -> int:
        """Artifacts found bad since the start."""
        return 0 if self._inspection is None else self._inspection.quarantined

    def free_space(self) -> Deferred[int]:
        """Ask the disk how many bytes it has left for us; fails with :exc:`OSError`."""
        return self._threads.run(lambda: self._directory.free_space().bytes)

    async def open(self, url: StoreURL, name: str) -> OpenArtifact:
        """
        Have an artifact at hand; waits until its length is known.

        :param name: the artifact's name, for people.
        :raises ArtifactError: it can't be had.
        """
        key = url.cache_key
        entry = self.index.entries.get(key)
        if entry is not None:
            try:
                return self._open_artifact(await self._stored_file(key, entry), Outcome.HIT)
            except OSError as error:
                if error.errno in NO_DESCRIPTORS:
                    # It is not the artifact's fault, and no reason to fetch it once more.
                    raise ArtifactUnavailable(str(error)) from None
                self.log.error("{name}: lost from the disk: {error}", name=name, error=error)
                if self.index.entries.get(key) is entry:
                    self.index.forget(key)
        download = self._downloads.get(key)
        if download is not None:
            return self._open_artifact(await download.head(), Outcome.JOINED)
        if not self.running:
            raise ArtifactUnavailable("the gateway is shutting down")
        self.statistics.misses += 1
        download = self._start_download(key, self.freshest(url), name)
        return self._open_artifact(await download.head(), Outcome.MISS)

    def _open_artifact(self, file: ArtifactFile, outcome: Outcome) -> OpenArtifact:
        if outcome is not Outcome.MISS:
            self.statistics.hits += 1
        return OpenArtifact(file, self._threads, self.statistics, outcome)

    async def _stored_file(self, key: str, entry: Entry) -> ArtifactFile:
        entry.opening += 1
        try:
            if entry.file is None:
                opening = self._threads.run(self._directory.open_object, key)
                await shielded(opening.addCallback(self._opened, entry))
            assert entry.file is not None
            self.index.served(entry, self._world.now())
            return entry.file
        finally:
            entry.opening -= 1

    def _opened(self, fd: int, entry: Entry) -> None:
        """Keep the file, even if the device that asked for it has gone meanwhile."""
        if entry.file is None:
            entry.keep_open(self._whole_file(entry, fd))
        else:
            # Another device was faster.
            os.close(fd)

    def _whole_file(self, entry: Entry, fd: int) -> ArtifactFile:
        length = entry.meta.length
        file = ArtifactFile(self._reactor, fd, entry.meta, committed=length, whole=True)
        file.acquire()
        return file

    def _start_download(self, key: str, url: StoreURL, name: str) -> Download:
        download = self._downloads[key] = Download(key, url, name, self._world)
        running = Deferred.fromCoroutine(self._see_through(download))
        self._running.add(running)
        running.addErrback(lambda failure: self.log.failure("download", failure))
        running.addBoth(lambda _: self._running.discard(running))
        return download

    async def _see_through(self, download: Download) -> None:
        try:
            file = await download.run()
        except ArtifactError as error:
            self.log.warn("{name}: {error}", name=download.name, error=error)
            if self.running:
                self.statistics.failures += 1
            return
        finally:
            del self._downloads[download.key]
        self.statistics.fills += 1
        entry = Entry(self._reactor, file.meta, self._world.now())
        entry.keep_open(file)
        self.index.add(entry)
        if self._inspection is not None:
            self._inspection.look_at(download.key)
