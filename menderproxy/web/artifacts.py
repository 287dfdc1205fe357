"""Signed local links: the artifact from the cache, or straight from its store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import TimeoutError
from twisted.logger import Logger
from twisted.web import server
from twisted.web.resource import Resource

from menderproxy.cache.artifacts import ArtifactCache, OpenArtifact
from menderproxy.cache.errors import ArtifactError, CacheUnusable
from menderproxy.web.answers import answer_error, answer_later
from menderproxy.web.artifact_headers import set_artifact_headers, set_range_headers
from menderproxy.web.channel import GatewayRequest
from menderproxy.web.failure_rules import status_for
from menderproxy.web.outflow import DeviceStalled
from menderproxy.web.passthrough import Passthrough
from menderproxy.web.sender import Sender
from menderproxy.wire.links import ArtifactLink, LinkError, LinkSigner
from menderproxy.wire.ranges import Unsatisfiable, is_resume, parse_range
from menderproxy.wire.whitelist import Whitelist


@attrs.frozen
class LinkRules:
    """
    Which links are good.

    :param now: Unix time.
    :param resume_grace: seconds after its expiry for which a link may be used to resume.
    """

    signer: LinkSigner
    whitelist: Whitelist
    now: Callable[[], float]
    resume_grace: float


class ArtifactsResource(Resource):
    """
    Serves artifacts.

    :param cache: ``None`` when it is off.
    :param passthrough: for artifacts that can't be cached.
    :param hold: seconds for which a device waits for its first byte.
    :param stall: seconds for which a device may take no byte.
    """

    isLeaf = True
    log = Logger()

    def __init__(
        self,
        rules: LinkRules,
        cache: ArtifactCache | None,
        passthrough: Passthrough,
        *,
        hold: float,
        stall: float,
    ):
        super().__init__()
        self._rules = rules
        self._cache = cache
        self._passthrough = passthrough
        self._hold = hold
        self._stall = stall

    def render(self, request: Any) -> int:
        """Answer a GET or HEAD for a signed link."""
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"allow", b"GET, HEAD")
            answer_error(request, 405, "method not allowed")
            return server.NOT_DONE_YET
        return answer_later(request, self.serve(request))

    async def serve(self, request: GatewayRequest) -> None:
        """Check the link, then send what it leads to."""
        ranges = list(request.requestHeaders.getRawHeaders(b"range", []))
        try:
            link = self._check(request.uri, resumed=is_resume(ranges))
        except LinkError as error:
            self.log.warn("link refused: {error}", error=error)
            answer_error(request, 403, "the link is not valid")
            return
        request.responseHeaders.removeHeader(b"server")
        try:
            await self._send(request, link, ranges)
        except (ArtifactError, TimeoutError, DeviceStalled, OSError) as error:
            self._fail(request, error, resumed=is_resume(ranges))

    def _check(self, target: bytes, *, resumed: bool) -> ArtifactLink:
        """
        Check a link.

        It has to be good when a download *starts*: an error to a device that resumes would
        fail its deployment, however much of the artifact it has.
        """
        link = self._rules.signer.verify(target)
        now = self._rules.now()
        if link.expired(now):
            known = self._cache is None or self._cache.holds(link.url)
            if not (resumed and known and link.within_grace(now, self._rules.resume_grace)):
                raise LinkError("expired")
        if not self._rules.whitelist.allows(link.url):
            # Signed while another whitelist was in force, or with a secret used elsewhere.
            raise LinkError(f"{link.url.host} is not in DomainWhitelist")
        return link

    async def _send(self, request: GatewayRequest, link: ArtifactLink, ranges: list[bytes]) -> None:
        if self._cache is None:
            await self._passthrough.send(request, link.url)
            return
        try:
            artifact = await self._held(request, self._cache.open(link.url, link.name))
        except CacheUnusable as error:
            self.log.error("{name}: not cached: {error}", name=link.name, error=error)
            await self._passthrough.send(request, link.url)
            return
        try:
            await self._send_cached(request, artifact, link, ranges)
        finally:
            artifact.close()

    async def _held(self, request: GatewayRequest, opening: Any) -> OpenArtifact:
        waiting: Deferred[OpenArtifact] = Deferred.fromCoroutine(opening)
        waiting.addTimeout(self._hold, request.site.reactor)
        return await waiting

    async def _send_cached(
        self,
        request: GatewayRequest,
        artifact: OpenArtifact,
        link: ArtifactLink,
        ranges: list[bytes],
    ) -> None:
        meta = artifact.meta
        if is_resume(ranges) and link.issued < meta.changed_at:
            # What the device has a part of may be another version than ours.
            request.abort()
            return
        set_artifact_headers(request, meta.etag, meta.last_modified, meta.content_type)
        try:
            part = parse_range(ranges, meta.length)
        except Unsatisfiable:
            request.setHeader(b"content-range", b"bytes */%d" % meta.length)
            answer_error(request, 416, "range not satisfiable")
            return
        wanted = set_range_headers(request, part, meta.length)
        if request.method == b"HEAD":
            request.finish()
            return
        await Sender(request, artifact.reader(wanted.first, wanted.last), self._stall).run()

    def _fail(self, request: GatewayRequest, error: Exception, *, resumed: bool) -> None:
        if request.channel is None or isinstance(error, CancelledError):
            return
        self.log.warn("{error}", error=error)
        status = None if request.startedWriting else status_for(error, resumed=resumed)
        if status is None:
            request.abort()
        else:
            for name in (b"etag", b"last-modified", b"accept-ranges", b"content-range"):
                request.responseHeaders.removeHeader(name)
            answer_error(request, status, "the artifact can't be had from its store")
