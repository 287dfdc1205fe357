"""Metrics in the text format that Prometheus scrapes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from menderproxy.ops.instruments import HistogramInstrument, Instrument, Kind

CONTENT_TYPE: str = CONTENT_TYPE_PLAIN_0_0_4

PREFIX = "mender_gateway_"

_FAMILIES: dict[Kind, type[CounterMetricFamily] | type[GaugeMetricFamily]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
}


class Exposition:
    """
    The metrics of one gateway, and those of its process.

    :param instruments: those of the gateway.
    """

    def __init__(self, instruments: Iterable[Instrument | HistogramInstrument]):
        # Not the one that all share: several gateways may run in one process.
        self._registry = CollectorRegistry()
        self._registry.register(_Instruments(tuple(instruments)))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def text(self) -> bytes:
        """Tell what all of them are now."""
        return generate_latest(self._registry)


class _Instruments(Collector):
    def __init__(self, instruments: tuple[Instrument | HistogramInstrument, ...]):
        self._instruments = instruments

    def collect(self) -> Iterator[Metric]:
        return map(_family, self._instruments)


def _family(instrument: Instrument | HistogramInstrument) -> Metric:
    name = PREFIX + instrument.name
    if isinstance(instrument, HistogramInstrument):
        steps, total = instrument.read()
        buckets = [(_bound(bound), count) for bound, count in steps]
        return HistogramMetricFamily(name, instrument.help, buckets, total)
    family = _FAMILIES[instrument.kind](name, instrument.help, labels=instrument.labels)
    for labels, value in instrument.read().items():
        family.add_metric(labels, value)
    return family


def _bound(bound: float) -> str:
    return "+Inf" if math.isinf(bound) else str(bound)
