"""An artifact straight from its store to one device, without the cache."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from menderproxy.cache.errors import ArtifactRefused, ArtifactUnavailable
from menderproxy.upstream.errors import UpstreamError
from menderproxy.upstream.stores import StoreAnswer, Stores
from menderproxy.web.artifact_headers import set_artifact_headers, set_range_headers
from menderproxy.web.channel import GatewayRequest
from menderproxy.web.relay import Relay
from menderproxy.wire.ranges import ByteRange
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.store_url import StoreURL

WORTH_WAITING = frozenset({408, 421, 425, 429})
LONGEST_RETRY = 60.0


class Passthrough:
    """
    Streams artifacts without keeping them; a Range goes to the store as it came.

    :param hold: seconds for which a device waits for its first byte.
    :param stall: seconds for which a device may take no byte.
    :param jitter: a random number from 0 to 1.
    """

    log = Logger()

    def __init__(
        self,
        stores: Stores,
        clock: IReactorTime,
        *,
        hold: float,
        stall: float,
        jitter: Callable[[], float] = random.random,
    ):
        self._stores = stores
        self._clock = clock
        self._hold = hold
        self._stall = stall
        self._jitter = jitter

    async def send(self, request: GatewayRequest, url: StoreURL) -> None:
        """
        Answer one request.

        :raises ArtifactError: there is nothing to answer with.
        """
        ranges = request.requestHeaders.getRawHeaders(b"range", [])
        wanted = ranges[0] if len(ranges) == 1 else None
        if request.method == b"HEAD":
            # The link is signed for GET; one byte of it tells the rest.
            wanted = b"bytes=0-0"
        answer = await self._patiently(url, wanted)
        remote = answer.remote
        if remote.length is None:
            answer.body.abort()
            raise ArtifactUnavailable("the store sends no length, which devices need")
        self._set_head(request, remote, answer.body.length)
        if request.method == b"HEAD":
            answer.body.abort()
            request.finish()
            return
        await Relay(request, answer.body, self._stall).run()

    def _set_head(
        self, request: GatewayRequest, remote: RemoteObject, body_length: int | None
    ) -> None:
        assert remote.length is not None
        set_artifact_headers(request, remote.etag, remote.last_modified, remote.content_type)
        part = None
        if remote.status == 206 and request.method != b"HEAD":
            length = remote.length - remote.first if body_length is None else body_length
            part = ByteRange(remote.first, remote.first + length - 1)
        set_range_headers(request, part, remote.length)

    async def _patiently(self, url: StoreURL, wanted: bytes | None) -> StoreAnswer:
        """Ask the store until it answers: a waiting device is better off than a refused one."""
        deadline = self._clock.seconds() + self._hold
        tries = 0
        while True:
            try:
                answer = await self._stores.fetch(url, wanted)
            except UpstreamError as error:
                why, wait = str(error), 0.0
            else:
                status = answer.remote.status
                if status in (200, 206):
                    return answer
                answer.body.abort()
                if status < 500 and status not in WORTH_WAITING:
                    raise ArtifactRefused(status)
                why, wait = f"the store answered {status}", answer.remote.retry_after or 0.0
            wait = max(wait, min(LONGEST_RETRY, 0.5 * 2**tries) * (0.5 + self._jitter() / 2))
            tries = min(tries + 1, 16)
            if self._clock.seconds() + wait > deadline:
                raise ArtifactUnavailable(why)
            self.log.warn("{url}: {why}", url=url.redacted, why=why)
            await _sleep(self._clock, wait)


async def _sleep(clock: Any, seconds: float) -> None:
    over: Deferred[None] = Deferred(lambda _: call.cancel())
    call = clock.callLater(seconds, over.callback, None)
    await over
