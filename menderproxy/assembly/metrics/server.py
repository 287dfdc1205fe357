"""The service that shows the metrics."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from menderproxy.listen.endpoints import Listener, ListenError
from menderproxy.web.metrics import MetricsSite


class MetricsServer(Service):
    """
    Measures what has to be measured, and serves all metrics.

    It is no reason not to serve devices: a port that can't be opened is only logged.

    :param measuring: what runs as long.
    :ivar listener: its port.
    """

    log = Logger()

    def __init__(self, listener: Listener, site: MetricsSite, measuring: Sequence[Service]):
        self.listener = listener
        self._site = site
        self._measuring = measuring

    def startService(self) -> None:
        """Open the port."""
        super().startService()  # type: ignore[no-untyped-call]
        for each in self._measuring:
            each.startService()
        try:
            self.listener.startService()
        except ListenError as error:
            self.log.error("no metrics: {error}", error=error)

    def stopService(self) -> Deferred[None]:
        """Close the port, and cut who is connected."""
        super().stopService()  # type: ignore[no-untyped-call]
        for each in self._measuring:
            each.stopService()
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        await self.listener.stopService()
        await self._site.close()
