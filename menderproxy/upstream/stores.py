"""Artifact stores: which of them may be asked, with nothing of the device's request."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import urljoin

import attrs

from menderproxy.upstream.agent import Agent, Answer
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.errors import UpstreamError, UpstreamUnavailable
from menderproxy.wire.body import Body
from menderproxy.wire.headers import store_request_headers
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist

MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class NotWhitelisted(UpstreamError):
    """The link, or a redirect, leads to a host that is not on the whitelist."""


class StoreBody(Body, Protocol):
    """A body, and how long it is if the store says so."""

    @property
    def length(self) -> int | None:
        """Bytes of it."""


@attrs.frozen
class StoreAnswer:
    """
    What a store answered.

    :param remote: the head, parsed.
    :param body: the body: to be delivered, or aborted.
    """

    remote: RemoteObject
    body: StoreBody


class Stores:
    """
    Fetches artifacts from whitelisted stores only, redirects included.

    A presigned link is good for one method, host, path and query; anything added to it (an
    Authorization header, X-Forwarded-Host, another query parameter) makes the store refuse it.
    """

    def __init__(self, agent: Agent, whitelist: Whitelist):
        self._agent = agent
        self._whitelist = whitelist

    async def fetch(self, url: StoreURL, range_header: bytes | None = None) -> StoreAnswer:
        """
        GET an artifact, or a part of it.

        :param range_header: value of the Range header, such as ``b"bytes=100-"``.
        :raises NotWhitelisted: the host may not be asked.
        :raises UpstreamError: no usable answer.
        """
        for _ in range(MAX_REDIRECTS + 1):
            if not self._whitelist.allows(url):
                raise NotWhitelisted(f"{url.host}: not on the whitelist")
            answer = await self._agent.request(
                Origin(url.scheme, url.host, url.port),
                b"GET",
                url.target.encode("ascii"),
                store_request_headers(url.authority.encode("ascii"), range_header),
            )
            if answer.code not in REDIRECTS:
                return _understood(answer, url)
            url = _redirected(answer, url)
        raise UpstreamUnavailable(f"{url.redacted}: more than {MAX_REDIRECTS} redirects")


def _redirected(answer: Answer, url: StoreURL) -> StoreURL:
    location = answer.header(b"location")
    answer.abort()
    try:
        if not location:
            raise ValueError("no Location")
        return StoreURL.parse(_resolved(location.decode("ascii"), url))
    except ValueError as error:
        raise UpstreamUnavailable(f"{url.redacted}: bad redirect: {error}") from None


def _resolved(location: str, url: StoreURL) -> str:
    """The absolute URL; ``urljoin`` would rewrite it in ways that break signatures."""
    location = location.partition("#")[0]
    if re.match("https?://", location, re.IGNORECASE):
        return location
    if location.startswith("/") and not location.startswith("//"):
        return f"{url.scheme}://{url.authority}{location}"
    return urljoin(str(url), location)


def _understood(answer: Answer, url: StoreURL) -> StoreAnswer:
    try:
        remote = RemoteObject.from_headers(answer.code, answer.headers, answer.length)
    except ValueError as error:
        answer.abort()
        raise UpstreamUnavailable(f"{url.redacted}: unusable answer: {error}") from None
    return StoreAnswer(remote, answer)
