"""Sends requests to this gateway, nginx and haproxy, and judges what they forward."""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from tests.security.differential.contest import lanes, play
from tests.security.differential.grammar import case
from tests.security.differential.peers import Gateway, Peer, haproxy, nginx
from tests.security.differential.tally import Tally
from tests.security.differential.verdict import EXCUSED, GATEWAY


async def _main(reactor: Any, options: Namespace) -> None:
    peers: dict[str, Peer] = {GATEWAY: Gateway()}
    for program in (nginx(), haproxy()):
        if program.path is None:
            print(f"{program.name} is not installed: compared without it")
        else:
            peers[program.name] = program
    tally = Tally()

    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            tally.found.append(f"logged: {event['log_failure']!r}")

    globalLogPublisher.addObserver(cast(ILogObserver, observe))
    numbers = range(options.first, options.first + options.requests)
    with tempfile.TemporaryDirectory() as directory:
        async with lanes(reactor, peers, options.lanes, Path(directory)) as some:
            await play(some, (case(each, options.seed) for each in numbers), tally.take)
    if options.table:
        for oddity, row in sorted(tally.by_oddity.items()):
            cells = (f"{name} {dict(counts)}" for name, counts in row.items())
            print(f"{oddity:40} {'; '.join(cells)}")
    for oddity, count in tally.only_ours.most_common():
        print(f"only we forward: {oddity}, {count} times: {EXCUSED.get(oddity, 'why?')}")
    for fault in tally.found:
        print(fault)
    print(f"forwarded by each: {dict(tally.forwarded)}")
    print(f"{options.requests} cases, {len(tally.found)} faults")
    if tally.found:
        sys.exit(1)


def main() -> None:
    """Run it."""
    parser = ArgumentParser("python -m tests.security.differential", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="how many cases")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=1, help="other cases")
    parser.add_argument("--lanes", type=int, default=8, help="how many at a time")
    parser.add_argument("--table", action="store_true", help="tell what each makes of what")
    options = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(_main(reactor, options)))


if __name__ == "__main__":
    main()
