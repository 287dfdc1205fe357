"""The same bytes to several servers, and what each of them forwards and answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.loopback.lines import connect
from tests.security.differential.grammar import Case
from tests.security.differential.peers import Peer
from tests.security.differential.reading import Request
from tests.security.differential.recorder import Recorder

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
_TIMEOUT = 408


@attrs.frozen
class Outcome:
    """
    What became of a case at one server.

    :param requests: that it forwarded.
    :param garbled: what it forwarded besides, and nobody could read as a request.
    :param answer: what came back.
    """

    requests: Sequence[Request]
    garbled: Sequence[bytes]
    answer: bytes

    @property
    def statuses(self) -> list[int]:
        """The status of each answer."""
        return [int(each) for each in _STATUS.findall(self.answer)]

    @property
    def refused(self) -> bool:
        """Whether the server said that something is wrong with what was sent."""
        return any(status >= 400 and status != _TIMEOUT for status in self.statuses)

    @property
    def forwarded(self) -> int:
        """How many requests went on, the one behind all others not among them."""
        others = [each for each in self.requests if not each.target.endswith(b"/last")]
        return len(others) + len(self.garbled)


@attrs.frozen
class Lane:
    """
    One server of each kind, for one case at a time.

    :param authorities: what each one's upstream is called.
    """

    reactor: Any
    ports: Mapping[str, int]
    recorders: Mapping[str, Recorder]
    authorities: Mapping[str, bytes]

    async def send(self, case: Case) -> dict[str, Outcome]:
        """Send a case to all of them at once."""
        sent = [Deferred.fromCoroutine(self._send(case, name)) for name in self.ports]
        outcomes = await gatherResults(sent, consumeErrors=True)
        return dict(zip(self.ports, outcomes, strict=True))

    async def _send(self, case: Case, name: str) -> Outcome:
        line = await connect(self.reactor, self.ports[name])
        for piece in case.pieces:
            line.send(piece)
            # The next piece comes for itself, as far as the kernel can be made to do that.
            await deferLater(self.reactor, 0)
        await line.until_lost()
        requests, garbled = self.recorders[name].take()
        return Outcome(requests, garbled, bytes(line.received))


@asynccontextmanager
async def lanes(
    reactor: Any, peers: Mapping[str, Peer], number: int, directory: Path
) -> AsyncIterator[list[Lane]]:
    """Start all servers, so that so many cases can be sent at a time."""
    recorders = {name: [Recorder() for _ in range(number)] for name in peers}
    ports = {name: [await each.start(reactor) for each in row] for name, row in recorders.items()}
    try:
        for name, peer in peers.items():
            await peer.start(reactor, ports[name], directory)
        yield [
            Lane(
                reactor,
                {name: peer.ports[i] for name, peer in peers.items()},
                {name: recorders[name][i] for name in peers},
                {name: b"127.0.0.1:%d" % ports[name][i] for name in peers},
            )
            for i in range(number)
        ]
    finally:
        for peer in peers.values():
            await peer.stop()
        for row in recorders.values():
            for each in row:
                await each.stop()


async def play(
    lanes: Sequence[Lane],
    cases: Iterable[Case],
    take: Callable[[Case, Lane, dict[str, Outcome]], object],
) -> None:
    """Send all cases, and hand over what became of each."""
    remaining = iter(cases)

    async def work(lane: Lane) -> None:
        for case in remaining:
            take(case, lane, await lane.send(case))

    await gatherResults([Deferred.fromCoroutine(work(lane)) for lane in lanes], consumeErrors=True)
