"""Certificates, keys and revocation lists that change while the gateway runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from menderproxy.listen.credentials import CredentialFiles, Credentials, read_credentials

T = TypeVar("T")

INTERVAL = 2.0
"""Seconds between two looks at the files: a revoked device is to be cut within five."""

RETRY_INTERVAL = 30.0
"""
Seconds until files that could not be used are read once more without a change: the trouble may
have been another's, such as a network disk's or want of file descriptors.
"""

_SETTLED_AFTER = 2.0


class InThread(Protocol):
    """Runs work that may wait for a disk."""

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Do *work* elsewhere; the Deferred fires in the reactor's thread."""


@attrs.frozen
class Mark:
    """
    What a file looks like from outside: a write, a replacement or new permissions change it.

    Times are in nanoseconds, Unix time. That of the last modification may be set to anything, and
    often is where files are copied or unpacked; that of the last change may not.
    """

    path: str
    inode: int = 0
    modified: int = 0
    changed: int = 0
    size: int = 0

    @classmethod
    def of(cls, path: str) -> Mark:
        """Look at a file through symbolic links; one that is not there has a mark as well."""
        try:
            status = os.stat(path)
        except OSError:
            return cls(path)
        return cls(path, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


@attrs.frozen
class Look:
    """
    What the files look like from outside.

    :param settled: whether nothing was written a moment ago; until then, a further write might
        leave no mark.
    """

    marks: tuple[Mark, ...]
    settled: bool

    @classmethod
    def at(cls, paths: Sequence[str], now: float) -> Look:
        """Look at files, and at the files of directories."""
        marks = tuple(Mark.of(each) for path in paths for each in (path, *_inside(path)))
        recent = any(abs(now - each.changed / 1e9) < _SETTLED_AFTER for each in marks)
        return cls(marks, not recent)


def _inside(path: str) -> list[str]:
    try:
        names = sorted(os.listdir(path)) if os.path.isdir(path) else []
    except OSError:
        return []
    return [os.path.join(path, name) for name in names]


class Reload(Service):
    """
    Looks at the files again and again, and reads them when they have changed.

    :ivar credentials: what is in force.
    :ivar succeeded_at: Unix time at which all files were last read and in order.
    :ivar failures: times that one of them was not.

    :param apply: called with what has been read, and puts it in force.
    :param in_thread: how the files are looked at.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        files: CredentialFiles,
        credentials: Credentials,
        apply: Callable[[Credentials], None],
        *,
        now: Callable[[], float],
        in_thread: InThread,
    ):
        self.credentials = credentials
        self.succeeded_at = now()
        self.failures = 0
        self._files = files
        self._apply = apply
        self._now = now
        self._in_thread = in_thread
        self._reactor = reactor
        self._seen: Look | None = None
        self._read_at = 0.0
        self._told: tuple[str, ...] = ()
        self._one_by_one = DeferredLock()
        self._loop: LoopingCall | None = None

    def startService(self) -> None:
        """Start to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._seen = None
        # A new one each time: the last may still wait for a disk.
        self._loop = LoopingCall(self._look)
        self._loop.clock = self._reactor
        self._loop.start(INTERVAL)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop is not None and self._loop.running:
            self._loop.stop()

    def _look(self) -> Deferred[None]:
        # Whatever goes wrong, the next look may do better.
        looking = Deferred.fromCoroutine(self.look())
        return looking.addErrback(lambda failure: self.log.failure("reload", failure))

    async def look(self) -> None:
        """Read the files if they have changed, and say which revocation lists are overdue."""
        look = await self._in_thread(lambda: Look.at(self._files.paths, self._now()))
        if not self.running:
            return
        if look != self._seen or self._is_retry_due():
            await self.reload()
            # Read once more when they have settled.
            self._seen = look if look.settled else None
        self._tell(self.credentials)

    def _is_retry_due(self) -> bool:
        return self.credentials.kept and self._reactor.seconds() >= self._read_at + RETRY_INTERVAL

    async def reload(self) -> None:
        """Read the files now."""
        # What is kept to is what the reading before has put in force: so, one after the other.
        async with self._one_by_one:
            last = self.credentials
            self._read_at = self._reactor.seconds()
            read = await self._in_thread(lambda: read_credentials(self._files, last))
            if self.running:
                self._put_in_force(read)

    def _put_in_force(self, read: Credentials) -> None:
        if read.kept:
            self.failures += 1
        else:
            self.succeeded_at = self._now()
        changes = _changes(self.credentials, read)
        self.credentials = read
        if changes:
            self._apply(read)
            self.log.info("in force now: {changes}", changes=", ".join(changes))
        self._tell(read)

    def _tell(self, credentials: Credentials) -> None:
        """Say what is wrong, once."""
        wrong = (*credentials.problems, *credentials.revocation.overdue(self._now()))
        for line in wrong:
            if line not in self._told:
                self.log.error("{line}", line=line)
        self._told = wrong


def _changes(last: Credentials, read: Credentials) -> list[str]:
    parts = {
        "the server's certificate": (last.identity, read.identity),
        "the authorities of devices": (last.authorities, read.authorities),
        "the blacklist": (last.blacklist, read.blacklist),
        "the revocation lists": (last.lists, read.lists),
    }
    return [name for name, (before, after) in parts.items() if before != after]
