"""Metrics of the gateway as a whole."""

from __future__ import annotations

from menderproxy._version import __version__
from menderproxy.ops.instruments import HistogramInstrument, Instrument, gauge, gauges
from menderproxy.ops.lag import EventLoopLag
from menderproxy.web.site import GatewaySite


def process_instruments(
    site: GatewaySite, lag: EventLoopLag
) -> tuple[Instrument | HistogramInstrument, ...]:
    """Give those that there are in any configuration, besides what devices do."""
    return (
        gauges(
            "build_info",
            "Always 1; the label tells which version runs.",
            ("version",),
            lambda: {(__version__,): 1},
        ),
        gauge("draining", "1 while the gateway stops, otherwise 0.", lambda: int(site.draining)),
        HistogramInstrument(
            "event_loop_lag_seconds",
            "By how much timers were late, each second measured anew.",
            lambda: (lag.steps, lag.total),
        ),
    )
