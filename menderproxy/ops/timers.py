"""Timers that run by a clock that nobody sets."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.base import ReactorBase


def run_monotonically(reactor: Any) -> None:
    """
    Let a reactor measure time by the monotonic clock, before it has any timer.

    By itself it looks at the wall clock. Machines without a clock of their own learn the date
    some time after their start: all deadlines would be over at that moment, and all devices cut
    off. If a clock is put back instead, no deadline comes any more, for as long as that is.

    A reactor that has timers already keeps its clock: theirs could not be told from ours.

    :param reactor: that of the process; one that merely stands for it is left alone.
    """
    if isinstance(reactor, ReactorBase) and not reactor.getDelayedCalls():
        reactor.seconds = time.monotonic
