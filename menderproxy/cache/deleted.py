"""
What was here of deleted artifacts: devices may have a part of one, and come back for the rest.

It can be another artifact by then. The age of a device's link does not tell: the store may have got
the new one first, then the device its link, and then a part of the old one, which was still here.

All of it blocks.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from menderproxy.cache.durable import write_safely
from menderproxy.cache.meta import ArtifactMeta

MOST = 4096
"""Sidecars kept; of more than twice as many those go that have lain there longest."""


@attrs.frozen
class KnownVersion:
    """
    A version of an artifact that devices may have bytes of.

    :param until: Unix time at which it was deleted, ``None`` while it is here.
    """

    meta: ArtifactMeta
    until: float | None = None


class DeletedArtifacts:
    """
    The sidecars of deleted artifacts, the last one for each key.

    :param path: their directory, on the file system of the artifacts.
    :param now: Unix time.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time):
        self._path = path
        self._now = now
        self._added = MOST

    def make(self) -> None:
        """
        Make the directory if it isn't there.

        :raises OSError: it can't be done.
        """
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def delete(self, artifact: Path, changed_at: float | None = None) -> None:
        """
        Delete an artifact's file, and keep what is beside it.

        First the sidecar: if we are killed between the two, a file without one is no artifact.

        :param changed_at: if given, so it is to be kept (see :class:`ArtifactMeta`).
        :raises OSError: the disk fails.
        """
        sidecar = artifact.with_suffix(".json")
        try:
            self._keep(sidecar, changed_at)
        except OSError:
            # A full disk may lack the room for a name until the file has gone.
            artifact.unlink(missing_ok=True)
            self._keep(sidecar, changed_at)
        artifact.unlink(missing_ok=True)

    def last(self, key: str) -> KnownVersion | None:
        """
        What was deleted last under this key.

        :raises OSError: the disk fails.
        """
        path = self._path / f"{key}.json"
        with contextlib.suppress(FileNotFoundError, ValueError):
            meta, _ = ArtifactMeta.from_json(path.read_bytes())
            if meta.key == key:
                return KnownVersion(meta, path.stat().st_mtime)
        return None

    def limit(self) -> None:
        """
        Clear away the oldest, if there may be too many.

        :raises OSError: the disk fails.
        """
        if self._added < MOST:
            return
        self._added = 0
        kept = []
        with os.scandir(self._path) as found:
            for one in found:
                # Another thread may be at it as well.
                with contextlib.suppress(FileNotFoundError):
                    kept.append((one.stat().st_mtime, one.path))
        for _, path in sorted(kept, reverse=True)[MOST:]:
            Path(path).unlink(missing_ok=True)

    def _keep(self, sidecar: Path, changed_at: float | None) -> None:
        if changed_at is not None:
            _amend(sidecar, changed_at)
        kept, now = self._path / sidecar.name, self._now()
        try:
            # That takes no room.
            os.rename(sidecar, kept)
        except FileNotFoundError:
            if not sidecar.exists():
                return
            self.make()
            os.rename(sidecar, kept)
        self._added += 1
        # By our clock, which links go by, too.
        os.utime(kept, (now, now))


def _amend(sidecar: Path, changed_at: float) -> None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        meta, _ = ArtifactMeta.from_json(sidecar.read_bytes())
        write_safely(sidecar, attrs.evolve(meta, changed_at=changed_at).to_json())
