"""The gateway's own clock, which somebody sets."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")
_OFFSET = struct.Struct("@l")


class Clock:
    """
    The date and time as the gateway's process sees them.

    A library that is preloaded changes the date and nothing else. libfaketime won't do: it waits
    for locks by the wrong clock, and a Python with threads crawls under it.

    :param directory: for the library, and the file that it looks at.
    """

    def __init__(self, directory: Path):
        self._offset = directory / "clock"
        self._offset.write_bytes(_OFFSET.pack(0))
        self._library = directory / "clock.so"
        if (compiler := shutil.which("gcc")) is not None:
            options = ["-O2", "-shared", "-fPIC", "-o", str(self._library)]
            subprocess.run([compiler, *options, str(_SOURCE)], check=True)

    @property
    def is_there(self) -> bool:
        """Whether it can be set: that takes a C compiler."""
        return self._library.exists()

    def put(self, seconds: int) -> None:
        """Set it to so many seconds after the real time, or before it."""
        with self._offset.open("r+b") as file:
            file.write(_OFFSET.pack(seconds))

    def environment(self) -> Mapping[str, str]:
        """Give the variables for the process that is to see it."""
        if not self.is_there:
            return {}
        return {"LD_PRELOAD": str(self._library), "SOAK_CLOCK": str(self._offset)}
