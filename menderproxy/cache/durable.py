"""Small files and names that survive a power cut (blocks)."""

from __future__ import annotations

import os
from pathlib import Path


def write_safely(path: Path, content: bytes) -> None:
    """
    Replace a small file so that either the old or the new content survives a power cut.

    :raises OSError: it can't be done; one of both is there all the same, and nothing else.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        _write(temporary, content)
        os.rename(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _write(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while content:
            # A disk may have room for the beginning only.
            content = content[os.write(fd, content) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_directory(path: Path) -> None:
    """Make sure that the names in a directory survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
