"""What a new process finds: the finished artifacts of earlier ones (blocks)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import attrs

from menderproxy.cache.meta import KEY, ArtifactMeta


@attrs.frozen
class StoredArtifact:
    """
    A finished artifact found on the disk.

    :param served_at: Unix time at which it was last served, as far as we know.
    """

    meta: ArtifactMeta
    served_at: float


def scan(objects: Path) -> Iterator[StoredArtifact]:
    """
    Find the finished artifacts, and clear away what can't be one.

    A file without a matching sidecar, or of another length than it says, was not published by
    us: it goes. There may be ten thousand artifacts, and the gateway serves nobody meanwhile:
    their paths are plain text here, which takes a third of the time.

    :param objects: the directory; files lie in it by the first two digits of their keys.
    """
    for bucket in sorted(objects.glob("??")):
        if bucket.is_dir():
            yield from _scan_bucket(str(bucket), bucket.name)


def _scan_bucket(bucket: str, digits: str) -> Iterator[StoredArtifact]:
    with os.scandir(bucket) as found:
        names = sorted(entry.name for entry in found if not entry.is_dir())
    whole = set()
    # A file comes before its sidecar, which goes when the file has gone.
    for name in names:
        if name.removesuffix(".json") in whole:
            continue
        ours = KEY.match(name) and name.startswith(digits)
        stored = _stored(bucket, name) if ours else None
        if stored is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{bucket}/{name}")
        else:
            whole.add(name)
            yield stored


def _stored(bucket: str, key: str) -> StoredArtifact | None:
    path = f"{bucket}/{key}"
    try:
        with open(f"{path}.json", "rb") as sidecar:
            meta, _ = ArtifactMeta.from_json(sidecar.read())
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    good = meta.key == key and meta.length == status.st_size and meta.sha256
    return StoredArtifact(meta, status.st_mtime) if good else None
