"""From the Mender Server's download link to ours."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from menderproxy.wire.deployment import gateway_origin_link
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist


class Relinker:
    """
    Decides which links become ours.

    :param now: Unix time.
    :param seen: told of each store link that a poll brought: the newest is the one to use.
    :ivar unlisted: links left as they were, because their host is not on the whitelist.
    """

    log = Logger()

    def __init__(
        self,
        signer: LinkSigner,
        whitelist: Whitelist,
        *,
        now: Callable[[], float],
        seen: Callable[[StoreURL], object],
    ):
        self._signer = signer
        self._whitelist = whitelist
        self._now = now
        self._seen = seen
        self._warned: set[str] = set()
        self.unlisted = 0

    def relink(self, uri: str, name: str) -> str | None:
        """
        Our link in place of *uri*, or ``None`` to leave it as it is.

        :param name: the artifact's name, for the link's last segment.
        """
        own = gateway_origin_link(uri, self._signer.gateway_url)
        if own is not None:
            return own
        try:
            url = StoreURL.parse(uri)
        except ValueError as error:
            self.log.warn("a download link is left as it is: {error}", error=error)
            return None
        if not self._whitelist.allows(url):
            self._leave(url)
            return None
        self._seen(url)
        return self._signer.sign(url, name, self._now())

    def _leave(self, url: StoreURL) -> None:
        # A device with another route to that host may still manage by itself.
        self.unlisted += 1
        if url.host not in self._warned and len(self._warned) < 1000:
            self._warned.add(url.host)
            self.log.warn(
                "{host} is not in DomainWhitelist: its download links are left as they are",
                host=url.host,
            )
