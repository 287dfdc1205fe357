"""Keep the head of an answer small enough for the smallest client."""

from __future__ import annotations

from collections.abc import Sequence

LIMIT = 7 * 1024
"""
Bytes of headers that may be passed on: the C++ client gives up on a head of more than 8 KiB,
and status line and framing headers need some of them.
"""

_AROUND = len(b": \r\n")

_NEEDED = frozenset(
    {
        b"content-encoding",
        b"content-type",
        b"date",
        b"etag",
        b"last-modified",
        b"link",
        b"location",
        b"retry-after",
        b"www-authenticate",
        b"x-men-requestid",
    }
)


def fit(
    headers: Sequence[tuple[bytes, bytes]], limit: int = LIMIT
) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    """
    Drop headers, the largest first, until the rest fits; those that clients act on stay.

    :param limit: bytes that all lines may have together.
    :returns: what is left, and the names of what was dropped.
    :raises ValueError: what clients need does not fit by itself.
    """
    kept = list(headers)
    dropped: list[bytes] = []
    size = sum([len(name) + len(value) + _AROUND for name, value in kept])
    while size > limit:
        spare = [header for header in kept if header[0].lower() not in _NEEDED]
        if not spare:
            raise ValueError("the headers that clients need are too large")
        largest = max(spare, key=_size)
        kept.remove(largest)
        dropped.append(largest[0])
        size -= _size(largest)
    return kept, dropped


def _size(header: tuple[bytes, bytes]) -> int:
    name, value = header
    return len(name) + len(value) + _AROUND
