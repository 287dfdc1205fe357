"""What came from one upstream, and what went wrong with it, in plain numbers."""

from __future__ import annotations

import enum
from collections import Counter

import attrs

from menderproxy.upstream.errors import Unanswered, UpstreamError, UpstreamTimeout


class Trouble(enum.Enum):
    """What went wrong; the value is its label in the metrics."""

    UNAVAILABLE = "unavailable"
    """No connection, no valid TLS, or no valid answer."""
    UNANSWERED = "unanswered"
    """The connection was lost before an answer."""
    TIMEOUT = "timeout"
    """The upstream took longer than it may, before its answer or within it."""
    BROKEN_OFF = "broken_off"
    """The connection was lost within an answer."""

    @classmethod
    def of(cls, error: UpstreamError) -> Trouble:
        """Tell why there was no answer."""
        match error:
            case UpstreamTimeout():
                return cls.TIMEOUT
            case Unanswered():
                return cls.UNANSWERED
            case _:
                return cls.UNAVAILABLE


@attrs.define
class Statistics:
    """
    Counts since the start.

    :ivar received: bytes of answers' bodies.
    """

    received: int = 0
    troubles: Counter[Trouble] = attrs.field(factory=Counter)
