"""All metrics of one gateway, put together."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service

from menderproxy.assembly.metrics.artifacts import cache_instruments
from menderproxy.assembly.metrics.credentials import credential_instruments
from menderproxy.assembly.metrics.devices import connection_instruments, request_instruments
from menderproxy.assembly.metrics.process import process_instruments
from menderproxy.assembly.metrics.server import MetricsServer
from menderproxy.assembly.metrics.sources import Sources
from menderproxy.assembly.metrics.upstreams import link_instruments, upstream_instruments
from menderproxy.assembly.world import World
from menderproxy.config.model import GatewayConfig
from menderproxy.listen.endpoints import Listener
from menderproxy.ops.instruments import HistogramInstrument, Instrument
from menderproxy.ops.lag import EventLoopLag
from menderproxy.ops.metrics import CONTENT_TYPE, Exposition
from menderproxy.ops.sample import Sample
from menderproxy.web.metrics import MetricsPage, MetricsSite


def metrics_server(
    config: GatewayConfig, reactor: Any, world: World, sources: Sources
) -> MetricsServer:
    """
    Make what serves the metrics.

    :param sources: where the numbers are.
    """
    lag = EventLoopLag(reactor)
    measuring: list[Service] = [lag]
    instruments: list[Instrument | HistogramInstrument] = [
        *process_instruments(sources.site, lag),
        *request_instruments(sources.site),
        *connection_instruments(sources),
    ]
    agents = {"api": sources.api}
    if sources.store is not None:
        agents["store"] = sources.store
    instruments += upstream_instruments(agents)
    if sources.relinker is not None:
        instruments += link_instruments(sources.relinker)
    if sources.cache is not None:
        free_space = Sample(reactor, sources.cache.free_space)
        measuring.append(free_space)
        instruments += cache_instruments(sources.cache, free_space)
    if sources.reload is not None:
        instruments += credential_instruments(sources.reload, world.now)
    page = MetricsPage(Exposition(instruments).text, CONTENT_TYPE)
    site = MetricsSite(page, config.limits, reactor)
    at, sockets = config.metrics.listen, world.sockets.get("metrics", ())
    return MetricsServer(Listener(reactor, "Metrics.Listen", at, site, sockets), site, measuring)
