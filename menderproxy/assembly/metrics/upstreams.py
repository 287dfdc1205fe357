"""Metrics of the ways to the Mender Server and to the artifact stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from menderproxy.ops.instruments import Instrument, Values, counter, counters
from menderproxy.upstream.agent import Agent
from menderproxy.upstream.statistics import Trouble
from menderproxy.web.relink import Relinker


def upstream_instruments(agents: Mapping[str, Agent]) -> tuple[Instrument, ...]:
    """
    Give those of all upstreams.

    :param agents: by the name that its upstream has in the metrics.
    """
    return (
        counters(
            "upstream_received_bytes_total",
            "Bytes of the bodies of answers from upstreams.",
            ("upstream",),
            lambda: {(name,): agent.statistics.received for name, agent in agents.items()},
        ),
        counters(
            "upstream_errors_total",
            "Requests to upstreams that got no answer, or not all of it.",
            ("upstream", "kind"),
            _troubles(agents),
        ),
    )


def link_instruments(relinker: Relinker) -> tuple[Instrument, ...]:
    """Give those of download links."""
    return (
        counter(
            "unlisted_links_total",
            "Download links that were left as they were: their host is not in DomainWhitelist.",
            lambda: relinker.unlisted,
        ),
    )


def _troubles(agents: Mapping[str, Agent]) -> Callable[[], Values]:
    return lambda: {
        (name, trouble.value): agent.statistics.troubles[trouble]
        for name, agent in agents.items()
        for trouble in Trouble
    }
