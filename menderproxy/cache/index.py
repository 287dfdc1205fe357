"""What the cache has: finished artifacts, and leftovers that only take room."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from heapq import merge

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from menderproxy.cache.directory import Leftover
from menderproxy.cache.eviction import Candidate
from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.meta import ArtifactMeta

LINGER = 10.0
"""Seconds a file stays open unused: some devices ask for an artifact in thousands of ranges."""


class Entry:
    """
    A finished artifact.

    :ivar served_at: Unix time at which it was last served.
    :ivar opening: devices that are about to use it.
    :ivar file: it, while it is open.
    """

    # There may be ten thousand.
    __slots__ = ("_clock", "_closing", "file", "meta", "opening", "served_at")

    def __init__(self, clock: IReactorTime, meta: ArtifactMeta, served_at: float):
        self.meta = meta
        self.served_at = served_at
        self.opening = 0
        self.file: ArtifactFile | None = None
        self._clock = clock
        self._closing: IDelayedCall | None = None

    @property
    def in_use(self) -> bool:
        """Whether it is being served or about to be."""
        return self.opening > 0 or (self.file is not None and self.file.users > 1)

    def keep_open(self, file: ArtifactFile) -> None:
        """Serve from this file; one use of it becomes ours."""
        self.file = file
        self.served(self.served_at)

    def served(self, now: float) -> None:
        """It is served now: its file stays open for a while."""
        self.served_at = now
        if self._closing is not None and self._closing.active():
            self._closing.reset(LINGER)
        elif self.file is not None:
            self._closing = self._clock.callLater(LINGER, self._maybe_close)

    def _maybe_close(self) -> None:
        self._closing = None
        if self.in_use:
            self._closing = self._clock.callLater(LINGER, self._maybe_close)
        else:
            self.close()

    def close(self) -> None:
        """Close the file; who reads it reads on."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._closing = None
        file, self.file = self.file, None
        if file is not None:
            # The modification time tells the next process when it was last served.
            with contextlib.suppress(OSError):
                os.utime(file.fd, (self.served_at, self.served_at))
            file.release()


class Index:
    """
    All that lies in the cache's directory, but for what is in flight.

    :param in_flight: keys that a download works on.
    :ivar entries: the finished artifacts by key, the one served longest ago first: see
        :meth:`add` and :meth:`served`.
    :ivar condemned: artifacts that are bad at the store itself, by key: two downloads of them
        brought the same bad bytes.
    """

    def __init__(self, in_flight: Callable[[], Iterator[str]]):
        self.entries: dict[str, Entry] = {}
        self.leftovers: dict[str, Leftover] = {}
        self.condemned: dict[str, ArtifactMeta] = {}
        self._in_flight = in_flight

    @property
    def bytes_used(self) -> int:
        """Bytes that all of it takes."""
        stored = sum(entry.meta.length for entry in self.entries.values())
        return stored + sum(leftover.length for leftover in self.leftovers.values())

    def add(self, entry: Entry) -> None:
        """A finished artifact, served after all others."""
        self.entries.pop(entry.meta.key, None)
        self.entries[entry.meta.key] = entry

    def served(self, entry: Entry, now: float) -> None:
        """An artifact is served now."""
        entry.served(now)
        # It may have been forgotten while it was being opened.
        if self.entries.get(entry.meta.key) is entry:
            self.add(entry)

    def candidates(self) -> Iterator[Candidate]:
        """What could make room, the one served longest ago first."""
        return merge(self._idle_longest(), self._leftovers(), key=lambda one: one.served_at)

    def _idle_longest(self) -> Iterator[Candidate]:
        for key, entry in self.entries.items():
            yield Candidate(key, entry.meta.length, entry.served_at, entry.in_use)

    def _leftovers(self) -> list[Candidate]:
        busy = set(self._in_flight())
        found = (
            Candidate(one.key, one.length, one.used_at, one.key in busy)
            for one in self.leftovers.values()
            if one.key not in self.entries
        )
        return sorted(found, key=lambda one: one.served_at)

    def condemns(self, key: str, etag: str | None, length: int | None) -> bool:
        """Whether the store still has the version that was found bad."""
        bad = self.condemned.get(key)
        return bad is not None and (bad.etag, bad.length) == (etag, length)

    def forget(self, key: str) -> None:
        """It is about to be deleted."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            entry.close()
        self.leftovers.pop(key, None)
