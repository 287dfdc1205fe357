"""
The cache's directory: which file means what, and how one comes into being safely.

::

    objects/<kk>/<key>        a finished artifact, only ever whole
    objects/<kk>/<key>.json   its sidecar
    partial/<key>.part        one in flight, as long as what is here of it
    partial/<key>.json        its sidecar, with the offset that is safe on the disk
    quarantine/<key>          an artifact that was found bad, for a look at it; and its sidecar
    deleted/<key>.json        the sidecar of the last one that was deleted
    signature-secret          signs local links when no secret is configured
    lock                      held by the process that owns the directory

Everything here blocks: it runs in the cache's threads, or before the reactor has work.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_bytes

import attrs

from menderproxy.cache.deleted import DeletedArtifacts, KnownVersion
from menderproxy.cache.durable import sync_directory, write_safely
from menderproxy.cache.errors import CacheDirectoryError
from menderproxy.cache.fallocate import reserve
from menderproxy.cache.meta import KEY, ArtifactMeta
from menderproxy.cache.scan import StoredArtifact, scan


@attrs.frozen
class Space:
    """
    What a file system has left.

    :param bytes: for unprivileged users.
    :param inodes: files that can still be made, or ``None`` for no limit.
    """

    bytes: int
    inodes: int | None


@attrs.frozen
class Leftover:
    """
    A partial file that an earlier process left, and nobody asked for yet.

    :param length: bytes of disk it takes.
    :param used_at: Unix time.
    """

    key: str
    length: int
    used_at: float


@attrs.frozen
class PartialArtifact:
    """
    What is here of an artifact in flight.

    :param fd: open for reading and writing.
    :param offset: so many bytes from the start can be trusted.
    """

    meta: ArtifactMeta
    fd: int
    offset: int


class CacheDirectory:
    """
    One cache directory, owned by one process.

    :param path: where; made when it isn't there, for our eyes only.
    :param boot_id: tells one boot of the machine from another. Within a boot the page cache
        keeps what a killed process wrote, so a partial file's own length counts; after a
        reboot only what was synced does.
    :param now: Unix time.
    """

    def __init__(
        self, path: Path, boot_id: str | None = None, now: Callable[[], float] = time.time
    ):
        self.path = path
        self._objects = path / "objects"
        self._partial = path / "partial"
        self._quarantine = path / "quarantine"
        self._deleted = DeletedArtifacts(path / "deleted", now)
        self._boot_id = _boot_id() if boot_id is None else boot_id
        self._lock: int | None = None

    def claim(self) -> None:
        """
        Make the directory ours.

        :raises CacheDirectoryError: it can't be made or written, or another process has it.
        """
        try:
            for directory in (self.path, self._objects, self._partial, self._quarantine):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._deleted.make()
            # flock, not lockf: a POSIX lock is lost when *any* descriptor of the file closes.
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CacheDirectoryError(f"{self.path}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise CacheDirectoryError(f"{self.path}: in use by another process") from None
        except OSError as error:
            os.close(lock)
            raise CacheDirectoryError(f"{self.path}: can't be locked: {error.strerror}") from None
        self._lock = lock
        with contextlib.suppress(OSError):
            self._deleted.limit()

    def secret(self) -> bytes:
        """
        The random secret that lives in this directory; made on the first call ever.

        :raises CacheDirectoryError: it can't be read or made.
        """
        path = self.path / "signature-secret"
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                write_safely(path, token_bytes(32))
            secret = path.read_bytes()
        except OSError as error:
            raise CacheDirectoryError(f"{path}: {error.strerror}") from None
        if len(secret) < 32:
            raise CacheDirectoryError(f"{path}: too short to be a secret; delete it")
        return secret

    def release(self) -> None:
        """Give the directory up."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # Finished artifacts

    def scan(self) -> Iterator[StoredArtifact]:
        """Find the finished artifacts, and clear away what can't be one."""
        return scan(self._objects)

    def open_object(self, key: str) -> int:
        """
        Open a finished artifact for reading, and note that it was served now.

        :raises OSError: it is gone, or the disk fails.
        """
        fd = os.open(self.object_path(key), os.O_RDONLY | os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            os.utime(fd)
        return fd

    def delete(self, key: str) -> None:
        """Delete whatever bytes there are under this key."""
        self.remove(key)
        self.remove_partial(key)
        (self._quarantine / key).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._deleted.limit()

    def free_space(self) -> Space:
        """
        What the file system has left for us.

        :raises OSError: it can't be asked.
        """
        status = os.statvfs(self.path)
        # File systems without a fixed number of inodes say 0 of 0.
        inodes = status.f_favail if status.f_files else None
        return Space(status.f_bavail * status.f_frsize, inodes)

    def leftovers(self) -> Iterator[Leftover]:
        """Find the partial files of earlier processes, and clear away what is no use."""
        for path in sorted(self._quarantine.iterdir()):
            if KEY.match(path.name):
                # Nobody misses it: it goes before anything else does.
                yield Leftover(path.name, path.stat().st_size, 0.0)
        # Again a file comes before its sidecar.
        for path in sorted(self._partial.iterdir(), reverse=True):
            if path.is_dir():
                continue
            if path.suffix == ".json" and path.with_suffix(".part").exists():
                continue
            ours = path.suffix == ".part" and KEY.match(path.stem)
            leftover = self.leftover(path.stem) if ours else None
            if leftover is None:
                path.unlink(missing_ok=True)
            else:
                yield leftover

    def leftover(self, key: str) -> Leftover | None:
        """
        What is here of an artifact that nobody fetches now.

        :raises OSError: the disk fails.
        """
        path = self.partial_path(key)
        try:
            path.with_suffix(".json").stat()
            status = path.stat()
        except FileNotFoundError:
            return None
        return Leftover(key, status.st_blocks * 512, status.st_mtime)

    def remove(self, key: str) -> None:
        """Delete a finished artifact; whoever has it open reads on."""
        self._deleted.delete(self.object_path(key))

    def known(self, key: str) -> KnownVersion | None:
        """
        What devices may have bytes of: what is in flight, finished, or was deleted last.

        :raises OSError: the disk fails.
        """
        for path in (self.partial_path(key), self.object_path(key)):
            if path.exists():
                with contextlib.suppress(FileNotFoundError, ValueError):
                    meta, _ = ArtifactMeta.from_json(path.with_suffix(".json").read_bytes())
                    return KnownVersion(meta)
        return self._deleted.last(key)

    def save_meta(self, meta: ArtifactMeta) -> None:
        """Write a finished artifact's sidecar anew."""
        path = self.object_path(meta.key)
        if path.exists():
            write_safely(path.with_suffix(".json"), meta.to_json())

    def withdraw(self, key: str) -> None:
        """
        Take an artifact out of service, into quarantine.

        Quick, and done at once rather than in a thread: a new download of the same artifact may
        be published any time after.
        """
        path = self.object_path(key)
        with contextlib.suppress(FileNotFoundError):
            os.rename(path, self._quarantine / key)
        self._deleted.delete(path)

    def record_quarantine(self, meta: ArtifactMeta, why: str, *, may_be_the_stores: bool) -> bool:
        """
        Write down why an artifact was withdrawn.

        :param may_be_the_stores: the fault may be in what the store has.
        :returns: whether it is: the last one withdrawn under this key had the same bytes.
        """
        record = self._quarantine / f"{meta.key}.json"
        condemned = False
        with contextlib.suppress(OSError, ValueError):
            before, _ = ArtifactMeta.from_json(record.read_bytes())
            condemned = may_be_the_stores and before.sha256 == meta.sha256
        write_safely(record, meta.to_json(why=why, condemned=condemned))
        return condemned

    def condemned(self) -> Iterator[ArtifactMeta]:
        """Find the artifacts that were found bad at the store itself."""
        for record in sorted(self._quarantine.glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                meta, more = ArtifactMeta.from_json(record.read_bytes())
                if more.get("condemned"):
                    yield meta

    def object_path(self, key: str) -> Path:
        """Where the finished artifact lies."""
        assert KEY.match(key), "keys are hex digests, never what a device or a server said"
        return self._objects / key[:2] / key

    # Artifacts in flight

    def partial_path(self, key: str) -> Path:
        """Where the artifact in flight lies."""
        assert KEY.match(key), "keys are hex digests, never what a device or a server said"
        return self._partial / f"{key}.part"

    def open_partial(self, key: str) -> PartialArtifact | None:
        """
        Take up an earlier process's partial file; one that can't be trusted is deleted.

        :raises OSError: the disk fails.
        """
        path = self.partial_path(key)
        try:
            meta, more = ArtifactMeta.from_json(path.with_suffix(".json").read_bytes())
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, ValueError):
            self.remove_partial(key)
            return None
        offset = os.fstat(fd).st_size
        if more.get("boot_id") != self._boot_id:
            durable = more.get("durable")
            offset = min(offset, durable if isinstance(durable, int) else 0)
        if meta.key != key or not 0 < offset <= meta.length:
            os.close(fd)
            self.remove_partial(key)
            return None
        if more.get("boot_id") != self._boot_id:
            # From now on the page cache keeps what we write, and the length counts again.
            os.ftruncate(fd, offset)
            self.save_partial(meta, offset)
        return PartialArtifact(meta, fd, offset)

    def create_partial(self, key: str, length: int | None) -> int:
        """
        Begin an artifact with an empty file of its own; an older one is forgotten.

        :param length: bytes to reserve, or ``None`` when nobody knows.
        :raises OSError: no room, no inodes, read-only, broken.
        """
        self.remove_partial(key)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(self.partial_path(key), flags, 0o600)
        try:
            if length:
                reserve(fd, length)
        except OSError:
            os.close(fd)
            self.remove_partial(key)
            raise
        return fd

    def save_partial(self, meta: ArtifactMeta, durable: int) -> None:
        """
        Write the sidecar of an artifact in flight.

        :param durable: so many bytes of it are synced to the disk.
        """
        path = self.partial_path(meta.key).with_suffix(".json")
        write_safely(path, meta.to_json(durable=durable, boot_id=self._boot_id))

    def remove_partial(self, key: str, changed_at: float | None = None) -> None:
        """
        Delete an artifact in flight.

        :param changed_at: what is to be known of it from now on (see :class:`ArtifactMeta`).
        """
        self._deleted.delete(self.partial_path(key), changed_at)

    def publish(self, fd: int, meta: ArtifactMeta) -> None:
        """
        Give a whole and checked artifact its final name.

        In this order, so that a power cut at any point leaves either no final name or the
        whole artifact behind it: its bytes, its sidecar, the name, the directory.
        """
        final = self.object_path(meta.key)
        if not final.parent.exists():
            final.parent.mkdir(mode=0o700, exist_ok=True)
            sync_directory(self._objects)
        # Never a sidecar beside bytes that it doesn't describe, should older ones lie there.
        final.unlink(missing_ok=True)
        os.fsync(fd)
        write_safely(final.with_suffix(".json"), meta.to_json())
        os.rename(self.partial_path(meta.key), final)
        sync_directory(final.parent)
        self.partial_path(meta.key).with_suffix(".json").unlink(missing_ok=True)
        sync_directory(self._partial)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"unknown-{os.getpid()}"
