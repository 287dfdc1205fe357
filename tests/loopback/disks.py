"""Disks to be full, slow or torn out: loop devices and memory file systems, as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOOLS = ("mkfs.ext4", "mkfs.xfs", "mount", "umount")


def missing() -> str | None:
    """Why disks can't be made here, or ``None``."""
    if os.geteuid() != 0:
        return "needs root, to mount file systems"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"needs {', '.join(absent)} (Debian: e2fsprogs, xfsprogs)"
    if not Path("/dev/loop-control").exists():
        return "needs loop devices"
    return None


def run(*command: str | Path) -> None:
    """Run a command; its complaint is the error's text."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stdout.decode(errors='replace').strip()}")


@contextmanager
def mounted(source: str | Path, at: Path, *options: str) -> Iterator[Path]:
    """Mount something for as long as the context lasts."""
    at.mkdir(parents=True, exist_ok=True)
    run("mount", *options, source, at)
    try:
        yield at
    finally:
        run("umount", "--lazy", at)


@contextmanager
def memory_disk(at: Path, size: int) -> Iterator[Path]:
    """
    A file system in memory.

    :param size: bytes.
    """
    with mounted("tmpfs", at, "-t", "tmpfs", "-o", f"size={size}") as mount:
        yield mount


class TornDisk:
    """
    An ext4 disk whose state at any moment can be had as another disk.

    Its image lies on XFS, where a file is cloned in one instant: what the clone holds is what
    had reached the disk by then, as after a power cut.

    :ivar mount: where it is mounted.
    """

    def __init__(self, directory: Path, image: Path, mount: Path):
        self._directory = directory
        self._image = image
        self.mount = mount

    @contextmanager
    def torn(self) -> Iterator[Path]:
        """The disk as it would be found after a power cut right now."""
        clone = self._directory / "clone.img"
        run("cp", "--reflink=always", self._image, clone)
        try:
            with mounted(clone, self._directory / "clone", "-o", "loop") as mount:
                yield mount
        finally:
            clone.unlink()


@contextmanager
def torn_disk(directory: Path, size: int) -> Iterator[TornDisk]:
    """
    Make such a disk.

    :param size: bytes.
    """
    directory.mkdir(parents=True)
    outer, inner = directory / "outer.img", directory / "outer" / "disk.img"
    with outer.open("wb") as file:
        file.truncate(size * 4 + (512 << 20))
    run("mkfs.xfs", "-q", "-m", "reflink=1", outer)
    with mounted(outer, directory / "outer", "-o", "loop"):
        with inner.open("wb") as file:
            file.truncate(size)
        run("mkfs.ext4", "-q", inner)
        with mounted(inner, directory / "outer" / "disk", "-o", "loop") as mount:
            yield TornDisk(directory / "outer", inner, mount)
