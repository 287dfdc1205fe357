"""Metrics of the artifact cache."""

from __future__ import annotations

from menderproxy.cache.artifacts import ArtifactCache
from menderproxy.ops.instruments import Instrument, counter, gauge
from menderproxy.ops.sample import Sample


def cache_instruments(cache: ArtifactCache, free_space: Sample) -> tuple[Instrument, ...]:
    """Give those of a cache that is on."""
    return _requests(cache) + _bytes(cache) + _downloads(cache) + _disk(cache, free_space)


def _requests(cache: ArtifactCache) -> tuple[Instrument, ...]:
    statistics = cache.statistics
    return (
        counter(
            "cache_hits_total",
            "Requests for an artifact that was in the cache, or on its way there.",
            lambda: statistics.hits,
        ),
        counter(
            "cache_misses_total",
            "Requests for an artifact whose download they began.",
            lambda: statistics.misses,
        ),
        gauge(
            "cache_readers",
            "Artifacts, or parts of them, that are being sent to devices.",
            lambda: statistics.readers,
        ),
    )


def _bytes(cache: ArtifactCache) -> tuple[Instrument, ...]:
    statistics = cache.statistics
    return (
        counter(
            "cache_fetched_bytes_total",
            "Bytes that artifact stores sent to the cache.",
            lambda: statistics.fetched,
        ),
        counter(
            "cache_served_bytes_total",
            "Bytes that the cache sent to devices.",
            lambda: statistics.served,
        ),
        counter(
            "cache_saved_bytes_total",
            "Bytes that the cache sent to devices beyond those it had to fetch.",
            lambda: statistics.saved,
        ),
    )


def _downloads(cache: ArtifactCache) -> tuple[Instrument, ...]:
    statistics = cache.statistics
    return (
        gauge(
            "cache_downloads",
            "Artifacts that are on their way into the cache.",
            lambda: cache.downloads,
        ),
        counter(
            "cache_fills_total",
            "Downloads that brought their artifact into the cache.",
            lambda: statistics.fills,
        ),
        counter(
            "cache_failures_total",
            "Downloads that were given up.",
            lambda: statistics.failures,
        ),
        counter(
            "cache_resumes_total",
            "Connections to artifact stores that went on where an earlier one had broken off.",
            lambda: statistics.resumes,
        ),
    )


def _disk(cache: ArtifactCache, free_space: Sample) -> tuple[Instrument, ...]:
    return (
        counter(
            "cache_evictions_total",
            "Artifacts that were deleted to make room for others.",
            lambda: cache.statistics.evictions,
        ),
        counter(
            "cache_quarantined_total",
            "Artifacts that were found bad after they had come in.",
            lambda: cache.quarantined,
        ),
        gauge("cache_artifacts", "Whole artifacts in the cache.", lambda: len(cache.index.entries)),
        gauge(
            "cache_size_bytes",
            "Bytes that the cache takes on its disk, or will have taken when all downloads end.",
            lambda: cache.size,
        ),
        gauge(
            "cache_free_bytes",
            "Bytes that the disk of the cache has left for it.",
            lambda: free_space.value,
        ),
    )
