"""The cache's disk: a small one, in memory, that somebody else fills up."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

_STEP = 1 << 20


class Disk:
    """
    A file system of its own.

    :param path: where it is mounted; an empty directory.
    :param size: in bytes.
    """

    def __init__(self, path: Path, size: int):
        self.path = path
        self._size = size
        self._ballast = path / "ballast"

    def mount(self) -> None:
        """Make it, for whoever sees the mounts that this process sees."""
        self.path.mkdir()
        options = f"size={self._size}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path], check=True)

    def unmount(self) -> None:
        """Remove it, if it is there, with all that is on it."""
        if self.path.is_mount():
            subprocess.run(["umount", self.path], check=True)

    def fill(self) -> None:
        """Take all the room that there is."""
        # Without a buffer, whose rest would be written once more at the end.
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(_STEP))

    def clear(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)
