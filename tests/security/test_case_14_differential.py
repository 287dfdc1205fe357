"""Odd requests, which this gateway and other servers find different ends of, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, TestCase

from tests.security.differential.contest import lanes, play
from tests.security.differential.grammar import ALL, case
from tests.security.differential.peers import Gateway, Peer, haproxy, nginx
from tests.security.differential.tally import Tally
from tests.security.differential.verdict import EXCUSED, GATEWAY

LANES = 8
SEED = 1
CASES = len(ALL) + 50
"""Each oddity by itself, and some requests with several of them."""


class DifferentialTests(TestCase):
    """The same bytes to each, in front of an upstream that records what it gets."""

    # A net only: nothing here takes long unless it hangs.
    timeout = 300

    async def play(self, **others: Peer) -> Tally:
        """Send all cases to the gateway and to others."""
        from twisted.internet import reactor

        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        tally = Tally()
        peers: dict[str, Peer] = {GATEWAY: Gateway(), **others}
        some: Any
        async with lanes(reactor, peers, LANES, directory) as some:
            await play(some, (case(each, SEED) for each in range(CASES)), tally.take)
        self.assertEqual(self.flushLoggedErrors(), [])
        return tally

    async def test_gateway(self) -> None:
        """
        What we forward, the strictest reader of requests reads as just that.

        The same requests in the same order, none more, with the same bodies, framed by us.
        """
        tally = await self.play()
        self.assertEqual("\n".join(tally.found), "")
        self.assertGreater(tally.forwarded[GATEWAY], CASES // 4)

    async def test_others(self) -> None:
        """There is no oddity that nginx and haproxy both refuse, and we forward without reason."""
        others = {each.name: each for each in (nginx(), haproxy())}
        for name, each in others.items():
            if each.path is None:
                raise SkipTest(f"{name} is not installed")
        tally = await self.play(**others)
        self.assertEqual("\n".join(tally.found), "")
        for name in others:
            self.assertGreater(tally.forwarded[name], CASES // 4, name)
        self.assertEqual(set(EXCUSED), set(tally.only_ours))
