"""The gateway's process: what is done to it from outside, and what can be seen from there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

import menderproxy

_POLL = 0.1
_PATIENCE = 30.0
_TAIL = 2000


@attrs.frozen
class Use:
    """
    What the process takes at some moment.

    :param memory: bytes that belong to no file.
    """

    descriptors: int
    sockets: int
    threads: int
    memory: int


class _Life(ProcessProtocol):
    """The time between one start and the end that follows it."""

    transport: Any

    def __init__(self, ended: Callable[[_Life, Failure], object]):
        self.over: Deferred[None] = Deferred()
        self.is_over = False
        self.expected = False
        self._ended = ended

    def processEnded(self, reason: Failure) -> None:
        self.is_over = True
        self._ended(self, reason)
        self.over.callback(None)


class Gateway:
    """
    The gateway's real command, started and ended as often as need be.

    :param directory: for its configuration, its log and the census.
    :param document: its configuration.
    :param environment: variables besides those that any process has.
    :param died: told when it ends although nobody has ended it, with its last words.
    :ivar lives: how often it was started.
    """

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        document: Mapping[str, object],
        environment: Mapping[str, str],
        died: Callable[[str], object],
    ):
        self.lives = 0
        self.log = directory / "gateway.log"
        self._reactor = reactor
        self._directory = directory
        self._configuration = directory / "gateway.conf"
        self._configuration.write_text(json.dumps(document, indent=1))
        self._counts = directory / "census.json"
        self._environment = environment
        self._died = died
        self._life: _Life | None = None
        self._serves = False

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._life is not None and not self._life.is_over

    @property
    def pid(self) -> int:
        """The id of its process, which has to run."""
        assert self._life is not None
        return int(self._life.transport.pid)

    async def start(self) -> None:
        """
        Start it, and wait until it serves.

        :raises TimeoutError: it does not come to that.
        """
        seen = self._log_text().count("running...")
        self._serves = False
        self._life = _Life(self._ended)
        self.lives += 1
        command = self._command()
        with self.log.open("ab") as log, open(os.devnull, "rb") as nothing:
            files = {0: nothing.fileno(), 1: log.fileno(), 2: log.fileno()}
            self._reactor.spawnProcess(
                self._life, command[0], command, env=None, path=self._directory, childFDs=files
            )
        deadline = self._reactor.seconds() + _PATIENCE
        while self._log_text().count("running...") == seen:
            if self._life.is_over or self._reactor.seconds() > deadline:
                raise TimeoutError(f"the gateway does not start: {self._log_text()[-_TAIL:]}")
            await deferLater(self._reactor, _POLL)
        self._serves = True

    async def end(self, number: signal.Signals) -> None:
        """End it with a signal, and wait until it is gone."""
        if self._life is not None and not self._life.is_over:
            self._life.expected = True
            self.signal(number)
            await self._life.over

    def reload(self) -> None:
        """Send it SIGHUP, which kills a process that is not yet ready for it."""
        if self._serves:
            self.signal(signal.SIGHUP)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._life is not None and not self._life.is_over:
            with suppress(ProcessExitedAlready):
                self._life.transport.signalProcess(number)

    def use(self) -> Use | None:
        """Look at what it takes; ``None`` when it is not there."""
        if not self.is_running:
            return None
        process = Path(f"/proc/{self.pid}")
        links: list[str] = []
        try:
            for link in (process / "fd").iterdir():
                # Some descriptor is always being closed.
                with suppress(FileNotFoundError):
                    links.append(os.readlink(link))
            status = dict(
                line.split(":", 1) for line in (process / "status").read_text().splitlines()
            )
            return Use(
                len(links),
                sum(link.startswith("socket:") for link in links),
                int(status["Threads"]),
                int(status["RssAnon"].split()[0]) * 1024,
            )
        except (OSError, KeyError):
            # The process ended in this moment; what is left of it has no memory.
            return None

    async def census(self) -> dict[str, Any]:
        """
        Have it count what it holds.

        :raises TimeoutError: it does not answer.
        """
        self._counts.unlink(missing_ok=True)
        self.signal(signal.SIGUSR2)
        deadline = self._reactor.seconds() + _PATIENCE
        while not self._counts.exists():
            if self._reactor.seconds() > deadline:
                raise TimeoutError("the gateway does not count what it holds")
            await deferLater(self._reactor, _POLL)
        counted: dict[str, Any] = json.loads(self._counts.read_text())
        return counted

    def _command(self) -> list[str]:
        # A checkout that is not installed is found by the plugin's search on the path only.
        variables = {"PYTHONPATH": str(Path(menderproxy.__file__).parents[1]), **self._environment}
        twistd = ["--nodaemon", "--pidfile=", "mender-gateway", "--log-format", "text"]
        return [
            *(shutil.which("setpriv") or "setpriv", "--pdeathsig", "KILL", "--"),
            *("/usr/bin/env", *(f"{name}={value}" for name, value in variables.items())),
            *(sys.executable, "-m", "bench.soak.observed", str(self._counts)),
            *(*twistd, "--config", str(self._configuration)),
        ]

    def _ended(self, life: _Life, reason: Failure) -> None:
        if not life.expected:
            self._died(f"{reason.getErrorMessage()}: {self._log_text()[-_TAIL:]}")

    def _log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
