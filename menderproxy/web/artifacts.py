"""Signed local links: the artifact from the cache, or straight from its store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.logger import Logger
from twisted.web import server
from twisted.web.resource import Resource

from menderproxy.cache.artifacts import ArtifactCache, OpenArtifact
from menderproxy.cache.errors import ArtifactError, ArtifactUnavailable, CacheUnusable
from menderproxy.web.answers import answer_error, answer_later
from menderproxy.web.artifact_headers import (
    ranges_hold,
    ranges_wanted,
    resumes_blindly,
    set_artifact_headers,
    set_range_headers,
)
from menderproxy.web.failure_rules import status_for
from menderproxy.web.passthrough import Passthrough
from menderproxy.web.request import GatewayRequest
from menderproxy.web.sender import Sender
from menderproxy.wire.links import ArtifactLink, LinkError, LinkSigner
from menderproxy.wire.ranges import ByteRange, Unsatisfiable, is_resume, parse_range
from menderproxy.wire.whitelist import Whitelist

BYPASS = "bypass"
"""In the log: the artifact comes from its store, past the cache."""


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

    def check(self, target: bytes, *, resumes: Callable[[ArtifactLink], bool]) -> ArtifactLink:
        """
        Check a request target.

        A link has to be good when a download *starts*: an error to a device that resumes would
        fail its deployment, however much of the artifact it has.

        :param resumes: whether a request with this link goes on with an artifact that we know.
        :raises LinkError: it is no good link.
        """
        link = self.signer.verify(target)
        now = self.now()
        if link.expired(now) and not (link.within_grace(now, self.resume_grace) and resumes(link)):
            raise LinkError("expired")
        if not self.whitelist.allows(link.url):
            # Signed while another whitelist was in force, or with a secret used elsewhere.
            raise LinkError(f"{link.url.host} is not in DomainWhitelist")
        return link

    def issued(self, link: ArtifactLink) -> float:
        """
        Tell since when a link is in the world, or may be.

        One from the future was issued by a clock that was ahead: it may be as old as links get.
        """
        now = self.now()
        if link.issued <= now:
            return link.issued
        return now - (link.expires - link.issued) - self.resume_grace

    def age(self, link: ArtifactLink) -> float:
        """For how many seconds a link has been in the world, or may have been."""
        return self.now() - self.issued(link)


class ArtifactsResource(Resource):
    """
    Serves artifacts.

    :param cache: ``None`` when it is off.
    :param passthrough: for artifacts that can't be cached.
    :param hold: seconds for which a device waits for its first byte.
    :param stall: see :class:`menderproxy.web.outflow.Outflow`.
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
            answer_error(request, 405, "method not allowed", allow=b"GET, HEAD")
            return server.NOT_DONE_YET
        return answer_later(request, self.serve(request))

    async def serve(self, request: GatewayRequest) -> None:
        """Check the link, then send what it leads to."""
        resumed = is_resume(ranges_wanted(request))
        try:
            link = self._rules.check(
                request.uri, resumes=lambda link: resumed and self._holds(link)
            )
        except LinkError as error:
            self.log.warn("link refused: {error}", error=error)
            answer_error(request, 403, "the link is not valid")
            return
        try:
            await self._send(request, link)
        except (ArtifactError, OSError) as error:
            self._fail(request, error, resumed=resumed)

    def _holds(self, link: ArtifactLink) -> bool:
        return self._cache is None or self._cache.holds(link.url)

    async def _send(self, request: GatewayRequest, link: ArtifactLink) -> None:
        if self._cache is None:
            request.cache_outcome = BYPASS
            await self._passthrough.send(request, link.url, self._rules.age(link))
            return
        try:
            artifact = await self._held(request, self._cache, link)
        except CacheUnusable as error:
            self.log.error("{name}: not cached: {error}", name=link.name, error=error)
            await self._send_past(request, self._cache, link)
            return
        request.cache_outcome = artifact.outcome
        try:
            await self._send_cached(request, self._cache, artifact, link)
        finally:
            artifact.close()

    async def _send_past(
        self, request: GatewayRequest, cache: ArtifactCache, link: ArtifactLink
    ) -> None:
        """Send the artifact past the cache, from which the device may have the beginning of it."""
        request.cache_outcome = BYPASS
        known = await cache.known(link.url) if resumes_blindly(request) else None
        issued, begun = self._rules.issued(link), None
        if known is not None:
            if issued < known.meta.changed_at:
                request.abort()
                return
            if known.until is None or issued < known.until:
                begun = known.meta.remote
        url, age = cache.freshest(link.url), self._rules.age(link)
        await self._passthrough.send(request, url, age, begun)

    async def _held(
        self, request: GatewayRequest, cache: ArtifactCache, link: ArtifactLink
    ) -> OpenArtifact:
        """Wait for the artifact as long as a device may have to wait."""
        opening = Deferred.fromCoroutine(cache.open(link.url, link.name))
        opening.addTimeout(self._hold, request.site.reactor)
        try:
            return await opening
        except TimeoutError:
            raise ArtifactUnavailable(
                f"{link.name}: nothing came from its store in {self._hold:g} s"
            ) from None

    async def _send_cached(
        self,
        request: GatewayRequest,
        cache: ArtifactCache,
        artifact: OpenArtifact,
        link: ArtifactLink,
    ) -> None:
        meta = artifact.meta
        ranges = ranges_wanted(request)
        if not ranges_hold(request, meta.etag, meta.last_modified):
            ranges = []
        if resumes_blindly(request) and self._rules.issued(link) < meta.changed_at:
            # What the device has a part of may be another version than ours.
            request.abort()
            return
        try:
            part = parse_range(ranges, meta.length)
        except Unsatisfiable as error:
            answer_error(request, 416, "range not satisfiable", content_range=error.content_range)
            return
        set_artifact_headers(request, meta.etag, meta.last_modified, meta.content_type)
        wanted = set_range_headers(request, part, meta.length)
        if request.method == b"HEAD":
            request.finish()
            return
        reader = artifact.reader(wanted.first, wanted.last)
        try:
            await Sender(request, reader, self._stall).run()
        except (CacheUnusable, OSError) as error:
            self.log.error("{name}: past the cache: {error}", name=link.name, error=error)
            rest = ByteRange(reader.position, wanted.last)
            await self._passthrough.go_on(request, cache.freshest(link.url), meta.remote, rest)

    def _fail(self, request: GatewayRequest, error: Exception, *, resumed: bool) -> None:
        self.log.warn("{error}", error=error)
        status = None if request.startedWriting else status_for(error, resumed=resumed)
        if status is None:
            request.abort()
        elif request.is_open:
            answer_error(request, status, "the artifact can't be had from its store")
