"""The metrics' own HTTP server: one page for Prometheus, and nothing for devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.web import server
from twisted.web.resource import IResource, Resource

from menderproxy.config.model import Limits
from menderproxy.web.answers import answer_error, answer_later
from menderproxy.web.request import GatewayRequest
from menderproxy.web.site import GatewaySite

MAX_CONNECTIONS = 16
PATH = b"/metrics"


class MetricsPage(Resource):
    """
    Shows what the metrics are now.

    :param render_text: gives them in the text format of Prometheus.
    :param content_type: that format's name.
    """

    isLeaf = True

    def __init__(self, render_text: Callable[[], bytes], content_type: str):
        super().__init__()
        self._render_text = render_text
        self._content_type = content_type

    def render(self, request: Any) -> int:
        """Answer a scrape."""
        if request.method not in (b"GET", b"HEAD"):
            answer_error(request, 405, "method not allowed", allow=b"GET, HEAD")
            return server.NOT_DONE_YET
        return answer_later(request, self._show(request))

    async def _show(self, request: GatewayRequest) -> None:
        text = self._render_text()
        request.setHeader(b"content-type", self._content_type.encode("ascii"))
        request.setHeader(b"content-length", b"%d" % len(text))
        request.write(text)
        request.finish()


class MetricsSite(GatewaySite):
    """
    Serves the metrics, with the limits that hold for devices, but to few at once.

    Scrapes are neither logged nor counted: they would outnumber all else on a quiet gateway.
    """

    def __init__(self, page: IResource, limits: Limits, reactor: Any):
        few = attrs.evolve(
            limits, max_connections=MAX_CONNECTIONS, max_connections_per_address=MAX_CONNECTIONS
        )
        super().__init__({}, few, reactor)
        self._page = page

    def getResourceFor(self, request: GatewayRequest) -> IResource:
        """There is one page."""
        return self._page if request.uri.partition(b"?")[0] == PATH else self._not_found

    def watch(self, request: GatewayRequest) -> None:
        """Scrapes are nothing to tell."""
