"""Namespaces: a piece of this machine with a network, and with some files, of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from .processes import Reactor, run
from .requirements import program

# Positional arguments: source target … -- command …; exec keeps the process id.
_MOUNT_AND_RUN = """
while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done
shift
exec "$@"
"""


@attrs.frozen
class Namespace:
    """
    A network namespace.

    :param name: as ``ip netns`` knows it.
    """

    name: str

    def command(
        self, arguments: Sequence[str], files: Mapping[str, Path] | None = None
    ) -> list[str]:
        """
        Rewrite a command so that it runs in here.

        ``ip netns exec`` gives every process a mount namespace too, so that nobody else sees
        what is mounted.

        :param files: path the program sees → the file or directory it really is.
        """
        mounts = [
            argument for seen, real in (files or {}).items() for argument in (str(real), seen)
        ]
        shell = ["/bin/sh", "-e", "-c", _MOUNT_AND_RUN, "sh", *mounts, "--"]
        return [program("ip"), "netns", "exec", self.name, *shell, *arguments]


@asynccontextmanager
async def namespace(reactor: Reactor, name: str) -> AsyncIterator[Namespace]:
    """Make a network namespace whose one interface is loopback, and remove it at the end."""
    await run(reactor, "ip", "netns", "add", name)
    try:
        await run(reactor, "ip", "-n", name, "link", "set", "lo", "up")
        yield Namespace(name)
    finally:
        # A stopped Mender client may leave an update module behind: all in here are ours.
        for process in (await run(reactor, "ip", "netns", "pids", name)).split():
            os.kill(int(process), signal.SIGKILL)
        await run(reactor, "ip", "netns", "del", name)
