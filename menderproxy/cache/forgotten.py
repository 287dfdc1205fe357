"""
What was deleted while devices may have a part of it, and come back for the rest (blocks).

Their links can't tell who they are: those may be younger than what the store has now, if the cache
gave away the one before for longer.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from menderproxy.cache.meta import ArtifactMeta

MOST = 4096
"""Sidecars kept; those deleted longest ago go first."""


class Forgotten:
    """
    The sidecars of deleted artifacts, one for each key.

    :param path: their directory, on the file system of the artifacts.
    """

    def __init__(self, path: Path):
        self._path = path
        self._kept = 0

    def make(self) -> None:
        """
        Make the directory if it isn't there, and clear away the oldest in it.

        :raises OSError: it can't be done.
        """
        self._path.mkdir(mode=0o700, exist_ok=True)
        self._limit()

    def delete(self, artifact: Path) -> None:
        """
        Delete an artifact's file, and keep what is beside it.

        First the sidecar: if we are killed between the two, a file without one is no artifact.
        """
        sidecar = artifact.with_suffix(".json")
        try:
            self._keep(sidecar)
        except OSError:
            # A full disk may lack the room for a name until the file has gone.
            artifact.unlink(missing_ok=True)
            self._keep(sidecar)
        artifact.unlink(missing_ok=True)

    def meta(self, key: str) -> ArtifactMeta | None:
        """
        What the last one deleted under this key was.

        :raises OSError: the disk fails.
        """
        with contextlib.suppress(FileNotFoundError, ValueError):
            meta, _ = ArtifactMeta.from_json((self._path / f"{key}.json").read_bytes())
            return meta if meta.key == key else None
        return None

    def _keep(self, sidecar: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            # Renamed, as that takes no room.
            os.rename(sidecar, self._path / sidecar.name)
            self._kept += 1
        if self._kept > 2 * MOST:
            self._limit()

    def _limit(self) -> None:
        with os.scandir(self._path) as found:
            kept = sorted(found, key=lambda one: one.stat().st_ctime, reverse=True)
        for one in kept[MOST:]:
            os.unlink(one)
        self._kept = min(len(kept), MOST)
