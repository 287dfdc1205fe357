"""The official ``mender-artifact``, where it is installed."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

TOOL = shutil.which("mender-artifact")
REASON_TO_SKIP = None if TOOL else "mender-artifact is not installed"


def run(*arguments: str) -> int:
    """Run the tool; return its exit status."""
    assert TOOL is not None
    return subprocess.run([TOOL, *arguments], capture_output=True, check=False).returncode


@functools.cache
def made_by_tool(compression: str) -> bytes:
    """Return a small artifact for an update module."""
    with tempfile.TemporaryDirectory() as directory:
        payload = Path(directory, "firmware.bin")
        payload.write_bytes(bytes(range(256)) * 8)
        path = Path(directory, "release.mender")
        identity = ("-T", "single-file", "-n", "release-1", "-t", "device")
        files = ("-f", str(payload), "-o", str(path))
        run("--compression", compression, "write", "module-image", *identity, *files)
        return path.read_bytes()
