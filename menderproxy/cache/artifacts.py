"""The cache's front door: any artifact, finished or in flight, for any number of devices."""

from __future__ import annotations

import os
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.download import Download, Fetch, Patience, Surroundings
from menderproxy.cache.errors import ArtifactError
from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.meta import ArtifactMeta
from menderproxy.cache.reader import Reader
from menderproxy.cache.threads import Threads
from menderproxy.wire.store_url import StoreURL

REMEMBERED_LINKS = 4096


@attrs.define
class _Entry:
    """A finished artifact; *file* while somebody has it open."""

    meta: ArtifactMeta
    served_at: float
    file: ArtifactFile | None = None

    def opened(self, file: ArtifactFile) -> None:
        """Serve from this file as long as somebody uses it."""
        self.file = file
        file.on_unused = self._unused

    def _unused(self) -> None:
        self.file = None


class OpenArtifact:
    """
    An artifact that can be read: all of it is here, or on its way. To be closed after use.

    :ivar meta: what is known of it.
    """

    def __init__(self, file: ArtifactFile, threads: Threads):
        self.meta = file.meta
        self._file = file
        self._threads = threads
        file.acquire()

    def reader(self, first: int, last: int) -> Reader:
        """A reader of the bytes from *first* to *last*, inclusive; it is closed by itself."""
        return Reader(self._file, self._threads, first, last)

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
    ):
        self._reactor = reactor
        self._directory = directory
        self._threads = threads
        self._world = Surroundings(
            clock=reactor,
            now=now,
            threads=threads,
            directory=directory,
            fetch=fetch,
            jitter=jitter,
            patience=Patience() if patience is None else patience,
        )
        self._index: dict[str, _Entry] = {}
        self._downloads: dict[str, Download] = {}
        self._running: set[Deferred[None]] = set()
        self._links: OrderedDict[str, StoreURL] = OrderedDict()

    def startService(self) -> None:
        """
        Take over the directory and learn what is in it.

        :raises CacheDirectoryError: it can't be used.
        """
        super().startService()  # type: ignore[no-untyped-call]
        self._directory.claim()
        for stored in self._directory.scan():
            self._index[stored.meta.key] = _Entry(stored.meta, stored.served_at)

    async def stop(self) -> None:
        """Break off the downloads; what is here of them stays for the next process."""
        for download in self._downloads.values():
            download.stop()
        await DeferredList(list(self._running))
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
        """Whether the artifact is here, or on its way."""
        return url.cache_key in self._index or url.cache_key in self._downloads

    async def open(self, url: StoreURL, name: str) -> OpenArtifact:
        """
        Have an artifact at hand; waits until its length is known.

        :param name: the artifact's name, for people.
        :raises ArtifactError: it can't be had.
        """
        key = url.cache_key
        entry = self._index.get(key)
        if entry is not None:
            try:
                return OpenArtifact(await self._stored_file(key, entry), self._threads)
            except OSError as error:
                self.log.error("{name}: lost from the disk: {error}", name=name, error=error)
                self._index.pop(key, None)
        if key not in self._downloads:
            self._start_download(key, self._links.get(key, url), name)
        return OpenArtifact(await self._downloads[key].head(), self._threads)

    # Finished artifacts

    async def _stored_file(self, key: str, entry: _Entry) -> ArtifactFile:
        entry.served_at = self._world.now()
        if entry.file is None:
            fd = await self._threads.run(self._directory.open_object, key)
            if entry.file is None:
                meta = entry.meta
                entry.opened(
                    ArtifactFile(self._reactor, fd, meta, committed=meta.length, whole=True)
                )
            else:
                # Another device was faster.
                os.close(fd)
        assert entry.file is not None
        return entry.file

    # Artifacts in flight

    def _start_download(self, key: str, url: StoreURL, name: str) -> None:
        download = Download(key, url, name, self._world)
        self._downloads[key] = download
        running = Deferred.fromCoroutine(self._see_through(download))
        self._running.add(running)
        running.addErrback(lambda failure: self.log.failure("download", failure))
        running.addBoth(lambda _: self._running.discard(running))

    async def _see_through(self, download: Download) -> None:
        try:
            file = await download.run()
        except ArtifactError as error:
            self.log.warn("{name}: {error}", name=download.name, error=error)
            return
        finally:
            del self._downloads[download.key]
        entry = self._index[download.key] = _Entry(file.meta, self._world.now())
        entry.opened(file)
        file.release()
