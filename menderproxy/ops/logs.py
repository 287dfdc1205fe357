"""Log lines in the form that the official gateway's users know: time, level, message."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from zope.interface import implementer

LEVELS = {
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "warning": LogLevel.warn,
    "error": LogLevel.error,
    "fatal": LogLevel.critical,
}
"""The official names of the levels; ``warning`` is how they are written in the lines."""

_WRITTEN = {
    LogLevel.debug: "debug",
    LogLevel.info: "info",
    LogLevel.warn: "warning",
    LogLevel.error: "error",
    LogLevel.critical: "fatal",
}


@implementer(ILogObserver)
class TextObserver:
    """Writes ``time="…" level=info msg="…"`` lines."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        time = datetime.fromtimestamp(event["log_time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        level = _WRITTEN.get(event.get("log_level"), "info")
        line = f'time="{time}" level={level} msg={json.dumps(_message(event))}\n'
        self._stream.write(line)
        self._stream.flush()


def _message(event: LogEvent) -> str:
    message = formatEvent(event)
    failure = event.get("log_failure")
    if failure is None:
        return message
    traceback: str = failure.getTraceback().strip()
    return f"{message}: {traceback}" if message else traceback


def observer(level: str, stream: TextIO | None = None) -> ILogObserver:
    """
    An observer that writes events of *level* and above.

    :param level: one of :data:`LEVELS`.
    :param stream: standard error by default, as the official gateway does.
    """
    predicate = LogLevelFilterPredicate(LEVELS[level])
    # Twisted reports each new connection, port and factory at level info.
    predicate.setLogLevelForNamespace("twisted", max(LEVELS[level], LogLevel.warn, key=_severity))
    return FilteringLogObserver(TextObserver(sys.stderr if stream is None else stream), [predicate])


def _severity(level: object) -> int:
    return list(_WRITTEN).index(level)
