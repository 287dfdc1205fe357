"""Metrics of what devices ask for, and of what they get."""

from __future__ import annotations

from collections.abc import Mapping

from menderproxy.assembly.metrics.sources import Sources
from menderproxy.listen.refusal import Reason
from menderproxy.ops.instruments import Instrument, Values, counter, counters, gauge
from menderproxy.upstream.preauthorization import Decision
from menderproxy.web.site import GatewaySite
from menderproxy.web.statistics import Exchange
from menderproxy.wire.routes import Route

EXCHANGE = ("method", "code", "route")


def request_instruments(site: GatewaySite) -> tuple[Instrument, ...]:
    """Give those of requests; the official gateway has the first two as well."""
    statistics = site.statistics
    return (
        counters(
            "http_requests_total",
            "Requests of devices that are over, by what became of them.",
            EXCHANGE,
            lambda: _by_exchange(statistics.exchanges),
        ),
        counters(
            "http_response_bytes_total",
            "Bytes of the bodies of answers to devices.",
            EXCHANGE,
            lambda: _by_exchange(statistics.bytes_sent),
        ),
        counters(
            "http_requests_broken_off_total",
            "Requests whose connection was lost, or cut, before the answer's end.",
            ("route",),
            lambda: {(route,): statistics.broken_off[route] for route in Route},
        ),
        gauge(
            "http_requests_under_way",
            "Requests of devices that are being answered.",
            lambda: len(statistics.under_way),
        ),
    )


def connection_instruments(sources: Sources) -> tuple[Instrument, ...]:
    """Give those of connections, and of who does not get one."""
    site = sources.site
    return (
        gauge("connections", "Open connections of devices.", lambda: len(site.channels)),
        gauge(
            "max_connections",
            "Connections of devices that may be open at once.",
            lambda: site.limits.max_connections,
        ),
        counter(
            "surplus_connections_total",
            "Connections of devices that were cut because too many were open.",
            lambda: site.statistics.surplus,
        ),
        gauge("tunnels", "Open remote terminals.", sources.tunnels),
        counters(
            "refusals_total",
            "Devices that were not let in, by what was wrong with their handshake or certificate.",
            ("reason",),
            lambda: {(reason.value,): sources.reasons[reason] for reason in Reason},
        ),
        counters(
            "provisioning_total",
            "What was done to have devices accepted at the Mender Server.",
            ("decision",),
            lambda: {(decision.value,): sources.decisions[decision] for decision in Decision},
        ),
    )


def _by_exchange(counts: Mapping[Exchange, int]) -> Values:
    return {(kind.method, kind.code, kind.route): count for kind, count in counts.items()}
