"""The servers that are measured: ours, and its peers, each set up as its manual recommends."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs

PLAIN_PORT = 80
TLS_PORT = 443
_VERSION = re.compile(r"\d+(?:\.\d+)+")


@attrs.frozen
class Site:
    """
    What a server is set up with.

    :param directory: for its configuration, its cache and its logs; empty.
    :param certificates: directory of ``ca.pem``, which issued all certificates, and of the
        server's certificate and key in ``gateway``.
    :param mutual: whether TLS clients have to show a certificate.
    """

    directory: Path
    certificates: Path
    mutual: bool

    @property
    def ca(self) -> Path:
        """The authority of all."""
        return self.certificates / "ca.pem"

    @property
    def certificate(self) -> Path:
        """The server's."""
        return self.certificates / "gateway" / "certificate.pem"

    @property
    def key(self) -> Path:
        """The server's."""
        return self.certificates / "gateway" / "key.pem"

    def write(self, name: str, text: str) -> Path:
        """Write a file into the directory, and give its path."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@attrs.frozen
class Server:
    """
    One server.

    :param name: how tables call it.
    :param program: its executable.
    :param configure: writes its files and gives the command that runs it in the foreground.
    :param artifacts: the kinds of connection that it serves artifacts on, from a cache.
    :param api: the kinds of connection that it passes requests to the Mender Server on.
    :param target: what devices ask it for to get an artifact, from its path at the origin.
    :param version_flag: has the executable say its version, before all other numbers.
    """

    name: str
    program: str
    configure: Callable[[Site], list[str]]
    artifacts: frozenset[str] = frozenset()
    api: frozenset[str] = frozenset()
    target: Callable[[str], str] = lambda artifact: artifact
    version_flag: str = "-v"

    @property
    def path(self) -> str | None:
        """Where its executable is: beside this Python, or anywhere on the search path."""
        beside = str(Path(sys.executable).parent)
        return shutil.which(self.program, path=beside) or shutil.which(self.program)

    @property
    def version(self) -> str:
        """What its executable says; nothing, if that is not installed."""
        if not self.path:
            return ""
        said = subprocess.run([self.path, self.version_flag], capture_output=True, text=True)
        found = _VERSION.search(said.stdout + said.stderr)
        return found[0] if found else ""
