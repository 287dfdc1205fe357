"""An artifact straight from its store to one device, without the cache."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from menderproxy.cache.continuity import WORTH_WAITING
from menderproxy.cache.errors import ArtifactChanged, ArtifactRefused, ArtifactUnavailable
from menderproxy.cache.patience import Backoff, Patience
from menderproxy.upstream.errors import UpstreamError
from menderproxy.upstream.stores import StoreAnswer, Stores
from menderproxy.upstream.uplink import Uplink
from menderproxy.web.artifact_headers import (
    ranges_hold,
    ranges_wanted,
    resumes_blindly,
    set_artifact_headers,
    set_range_headers,
)
from menderproxy.web.relay import Relay
from menderproxy.web.request import GatewayRequest
from menderproxy.wire.ranges import ByteRange, Unsatisfiable, is_resume, only_range, parse_range
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.store_url import StoreURL


class Passthrough:
    """
    Streams artifacts without keeping them; a Range goes to the store as it came.

    :param hold: seconds for which a device waits for its first byte.
    :param stall: see :class:`menderproxy.web.outflow.Outflow`.
    :param jitter: a random number from 0 to 1.
    """

    log = Logger()

    def __init__(
        self,
        stores: Stores | Uplink,
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

    async def send(
        self,
        request: GatewayRequest,
        url: StoreURL,
        link_age: float,
        begun: RemoteObject | None = None,
    ) -> None:
        """
        Answer one request.

        :param link_age: seconds since the device's link was issued. What it resumes was there by
            then: an object that may be younger may be another one.
        :param begun: the object that the beginning of what a device resumes is of, if we know.
        :raises ArtifactError: there is nothing to answer with.
        """
        if request.method == b"HEAD":
            await self._send_head(request, url)
            return
        # By a clock that started when the link was issued.
        started = self._clock.seconds() - link_age
        answer = await self._ask(request, url)
        remote = answer.remote
        made_before = remote.made_before(self._clock.seconds() - started)
        replaced = made_before > 0 or not (begun is None or begun.same_object(remote))
        if resumes_blindly(request) and replaced:
            answer.body.abort()
            raise ArtifactChanged("the artifact was replaced at the store since the link was made")
        skip = _unwanted(request, answer)
        promised = _set_head(request, answer, skip)
        await Relay(request, answer.body, self._stall, promised, skip=skip).run()

    async def go_on(
        self, request: GatewayRequest, url: StoreURL, held: RemoteObject, rest: ByteRange
    ) -> None:
        """
        Finish an answer that the cache had to leave off.

        :param held: the object that the answer was begun with.
        :param rest: the bytes that the device still waits for.
        :raises ArtifactError: the store has them no more.
        """
        answer = await self._patiently(url, b"bytes=%d-%d" % (rest.first, rest.last))
        remote = answer.remote
        if remote.status != 206 or remote.first != rest.first or not held.same_object(remote):
            answer.body.abort()
            raise ArtifactChanged("the store has another object now")
        await Relay(request, answer.body, self._stall, rest.length).run()

    async def _send_head(self, request: GatewayRequest, url: StoreURL) -> None:
        # The link is signed for GET, not for HEAD; one byte of it tells the rest.
        answer = await self._patiently(url, b"bytes=0-0")
        answer.body.abort()
        _set_head(request, answer)
        request.finish()

    async def _ask(self, request: GatewayRequest, url: StoreURL) -> StoreAnswer:
        """Ask for what the request wants, which is the whole if its If-Range doesn't hold."""
        answer = await self._patiently(url, only_range(ranges_wanted(request)))
        remote = answer.remote
        if remote.status == 200 or ranges_hold(request, remote.etag, remote.last_modified):
            return answer
        answer.body.abort()
        return await self._patiently(url, None)

    async def _patiently(self, url: StoreURL, wanted: bytes | None) -> StoreAnswer:
        """Ask the store until it answers: a waiting device is better off than a refused one."""
        deadline = self._clock.seconds() + self._hold
        backoff = Backoff(Patience(), self._jitter)
        while True:
            try:
                answer = await self._stores.fetch(url, wanted)
            except UpstreamError as error:
                why, asked = str(error), None
            else:
                status = answer.remote.status
                if status in (200, 206):
                    return answer
                answer.body.abort()
                if status < 500 and status not in WORTH_WAITING:
                    raise ArtifactRefused(status)
                why, asked = f"the store answered {status}", answer.remote.retry_after
            wait = max(backoff.pause(), asked or 0.0)
            if self._clock.seconds() + wait > deadline:
                raise ArtifactUnavailable(why)
            self.log.warn("{url}: {why}", url=url.redacted, why=why)
            await _sleep(self._clock, wait)


def _unwanted(request: GatewayRequest, answer: StoreAnswer) -> int:
    """
    Count the bytes at the beginning of an answer that the device has already.

    Not every store knows ranges, or knows them always; but to a device that resumes the whole is
    an error: mender-update 4 was seen to fail the deployment for good.
    """
    remote, ranges = answer.remote, ranges_wanted(request)
    if remote.status != 200 or remote.length is None or not is_resume(ranges):
        return 0
    if not ranges_hold(request, remote.etag, remote.last_modified):
        return 0
    try:
        part = parse_range(ranges, remote.length)
    except Unsatisfiable:
        answer.body.abort()
        raise ArtifactRefused(416) from None
    return part.first if part is not None and part.last == remote.length - 1 else 0


def _set_head(request: GatewayRequest, answer: StoreAnswer, skip: int = 0) -> int:
    """
    Set status and headers.

    :param skip: bytes at the beginning of a whole answer that the device does not get.
    :returns: how many bytes that promises to the device.
    """
    remote = answer.remote
    if remote.length is None:
        answer.body.abort()
        raise ArtifactUnavailable("the store sends no length, which devices need")
    set_artifact_headers(request, remote.etag, remote.last_modified, remote.content_type)
    part = None
    if remote.status == 206 and request.method != b"HEAD":
        # A part of unknown length is taken to reach to the end; if not, it will be cut off.
        rest = remote.length - remote.first
        length = rest if answer.body.length is None else answer.body.length
        part = ByteRange(remote.first, remote.first + length - 1)
    elif skip:
        part = ByteRange(skip, remote.length - 1)
    return set_range_headers(request, part, remote.length).length


async def _sleep(clock: Any, seconds: float) -> None:
    over: Deferred[None] = Deferred(lambda _: call.cancel())
    call = clock.callLater(seconds, over.callback, None)
    await over
