"""All scenarios, in the order of the page."""

from __future__ import annotations

from bench.device_api import DEVICE_API
from bench.downloads import DOWNLOADS
from bench.growth import GROWTH

SCENARIOS = (*DOWNLOADS, *DEVICE_API, *GROWTH)
QUICK_SCENARIOS = tuple(
    scenario
    for scenario in SCENARIOS
    if scenario.name
    in ("warm, plain", "warm, TLS", "kept connection, plain", "new connections, TLS")
)
