"""The line to the stores, which downloads must not fill: the device API has to get through too."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from menderproxy.upstream.pacing import Pace
from menderproxy.upstream.stores import StoreAnswer, Stores
from menderproxy.upstream.turns import Turns
from menderproxy.upstream.watched import WatchedBody
from menderproxy.wire.store_url import StoreURL


class Uplink:
    """
    Fetches from stores, within limits.

    :param rate: bytes a second, for all downloads together; 0 for as many as come.
    :param at_once: downloads of the cache at once; 0 for as many as there are.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, stores: Stores, *, rate: int = 0, at_once: int = 0):
        self._stores = stores
        self._pace = Pace(clock, rate) if rate else None
        self._turns = Turns(at_once) if at_once else None

    async def fetch(self, url: StoreURL, range_header: bytes | None = None) -> StoreAnswer:
        """
        GET an artifact, or a part of it, at the rate that it may have.

        :param range_header: see :meth:`Stores.fetch`.
        :raises UpstreamError: no usable answer.
        """
        answer = await self._stores.fetch(url, range_header)
        if self._pace is None:
            return answer
        return attrs.evolve(answer, body=self._pace.body(answer.body))

    async def fetch_in_turn(self, url: StoreURL, range_header: bytes | None = None) -> StoreAnswer:
        """
        Do the same once few enough others are on their way; it counts until its body is over.

        Not for a body that goes straight to a device: a slow one would have the turn for hours.

        :param range_header: see :meth:`Stores.fetch`.
        :raises UpstreamError: no usable answer.
        """
        if self._turns is None:
            return await self.fetch(url, range_header)
        turn = self._turns.take()
        if not turn.called:
            self.log.info("{url}: waits for other downloads", url=url.redacted)
        await turn
        try:
            answer = await self.fetch(url, range_header)
        except BaseException:
            self._turns.give_back()
            raise
        return attrs.evolve(answer, body=WatchedBody(answer.body, self._turns.give_back))
