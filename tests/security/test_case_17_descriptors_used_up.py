"""The process has as many descriptors as it may have."""

from __future__ import annotations

import os
import resource

from twisted.internet import reactor

from tests.loopback.command import ALIVE, LOOPBACK, CommandTestCase
from tests.loopback.exchange import get, status
from tests.loopback.lines import connect

ROOM = 5
CONNECTIONS = 20


class AcceptTests(CommandTestCase):
    """New connections meanwhile, and afterwards."""

    async def test_recovers(self) -> None:
        """Who finds no room is turned away at once; when there is some again, all is well."""
        # Nobody is to be cut off for doing nothing, which would make room as well.
        process = self.run_command(
            HTTP={"Listen": f"{LOOPBACK}:0"}, Limits={"HeaderTimeout": "10m"}
        )
        await process.until_seen("running...")
        pid = process.transport.pid  # type: ignore[union-attr]
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + ROOM, used + ROOM))
        lines = [await connect(reactor, process.port()) for _ in range(CONNECTIONS)]
        turned_away = lines[ROOM:]
        for line in turned_away:
            await line.until_lost()
        kept = [line for line in lines if line.lost is None]
        self.assertNotEqual(kept, [])
        for line in kept:
            await line.cut()
        self.assertEqual(status(await get(reactor, LOOPBACK, process.port(), ALIVE)), 204)
        process.tell("TERM")
        await self.assert_stopped(process)
