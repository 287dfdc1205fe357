"""Programs as child processes: run to their end, or kept running until they are stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from inspect import isawaitable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure

from .requirements import SEARCH_PATH, program

# The reactor of the fixtures provides IReactorProcess, IReactorTime, IReactorSSL and
# IReactorThreads; an intersection of zope interfaces has no name in Python's type system.
Reactor = Any

# Nothing else of the environment: a proxy setting of this machine would go to all programs.
_ENVIRONMENT = {"PATH": SEARCH_PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"}
_POLL = 0.1
_TAIL = 2000


class CommandFailed(Exception):
    """
    A program has failed to do its work.

    :param status: its exit status.
    """

    def __init__(self, command: str, status: int, errors: str) -> None:
        super().__init__(f"{command}: exit status {status}: {errors}")
        self.status = status


class Program(ProcessProtocol):
    """
    A program that runs until it is stopped; what it prints goes to a file.

    :param name: how error messages call it.
    :param log: where its output is kept.
    """

    transport: IProcessTransport

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._end: str | None = None
        self._ended: Deferred[None] = Deferred()

    def processEnded(self, reason: Failure) -> None:
        """Note the end (called by Twisted when the process is reaped)."""
        self._end = reason.getErrorMessage()
        self._ended.callback(None)

    def output(self) -> str:
        """Return all that the program has printed so far, in its earlier runs, too."""
        return self.log.read_text(errors="replace")

    def check_running(self) -> None:
        """
        Make sure that the program has not ended by itself.

        :raises RuntimeError: when it has, with the last that it printed.
        """
        if self._end is not None:
            raise RuntimeError(f"{self.name}: {self._end}: {self.output()[-_TAIL:]}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the program stand still; meanwhile its clients wait."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End the process without letting it do anything."""
        self._signal(signal.SIGKILL)
        await self._ended

    async def stop(self, reactor: Reactor, grace: float) -> None:
        """End the process: politely, and by force when it is still there after *grace* seconds."""
        if self._end is not None:
            return
        self._signal(signal.SIGTERM)
        force = reactor.callLater(grace, self._signal, signal.SIGKILL)
        await self._ended
        if force.active():
            force.cancel()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(number)


@asynccontextmanager
async def running(
    reactor: Reactor,
    name: str,
    arguments: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    grace: float = 10.0,
) -> AsyncIterator[Program]:
    """
    Keep a program running for as long as the context lasts.

    It is killed by the kernel when the tests themselves are, so that nothing is left behind.

    :param log: for its output; that of an earlier run is kept.
    :param environment: variables besides ``PATH``, ``HOME`` and ``LC_ALL``.
    :param grace: how many seconds it gets to end when it is told to.
    """
    started = Program(name, log)
    command = [program("setpriv"), "--pdeathsig", "KILL", "--", *arguments]
    with log.open("ab") as output, open(os.devnull, "rb") as nothing:
        descriptors = {0: nothing.fileno(), 1: output.fileno(), 2: output.fileno()}
        variables = {**_ENVIRONMENT, **(environment or {})}
        reactor.spawnProcess(started, command[0], command, variables, childFDs=descriptors)
    try:
        yield started
    finally:
        await started.stop(reactor, grace)


async def run(reactor: Reactor, *arguments: str) -> str:
    """
    Run a program to its end.

    :return: what it printed.
    :raises CommandFailed: when it fails, with its error output.
    """
    output: bytes
    output, errors, status = await getProcessOutputAndValue(
        program(arguments[0]), arguments[1:], _ENVIRONMENT, reactor=reactor
    )
    if status != 0:
        raise CommandFailed(" ".join(arguments), status, errors.decode())
    return output.decode()


async def until(
    reactor: Reactor,
    condition: Callable[[], bool | Awaitable[bool]],
    what: str,
    seconds: float = 60.0,
) -> None:
    """
    Wait until a condition holds.

    :param what: the condition in words, for the error message.
    :param seconds: how long it may take; far longer than it should.
    :raises TimeoutError: when it does not come to hold.
    """
    deadline = reactor.seconds() + seconds
    while True:
        holds = condition()
        if await holds if isawaitable(holds) else holds:
            return
        if reactor.seconds() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        await deferLater(reactor, _POLL)
