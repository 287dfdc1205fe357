"""
Log lines: text for people, in the form that users of the official gateway know, or JSON.

Either way an event is one line, and what a device sends can't start another one.
"""

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

FORMATS = ("auto", "text", "json")
"""``auto`` is text on a terminal, and JSON where a program reads the log."""

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


@implementer(ILogObserver)
class JSONObserver:
    """
    Writes JSON objects with ``time``, ``level``, ``msg`` and ``logger``.

    What the message was made of (a method, a status, an address) is in there by its own name as
    well.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        time = datetime.fromtimestamp(event["log_time"], UTC)
        line = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": _WRITTEN.get(event.get("log_level"), "info"),
            "msg": _message(event),
            "logger": event.get("log_namespace", ""),
        }
        self._stream.write(json.dumps({**_fields(event), **line}) + "\n")
        self._stream.flush()


def _fields(event: LogEvent) -> dict[str, object]:
    if "isError" in event:
        # What old code of Twisted logs is full of its own bookkeeping.
        return {}
    return {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in event.items()
        if not name.startswith("log_") and value != ""
    }


def _message(event: LogEvent) -> str:
    message = formatEvent(event)
    failure = event.get("log_failure")
    if failure is None:
        return message
    traceback: str = failure.getTraceback().strip()
    return f"{message}: {traceback}" if message else traceback


def observer(level: str, stream: TextIO | None = None, form: str = "text") -> ILogObserver:
    """
    An observer that writes events of *level* and above.

    :param level: one of :data:`LEVELS`.
    :param stream: standard error by default, as the official gateway does.
    :param form: one of :data:`FORMATS`.
    """
    stream = sys.stderr if stream is None else stream
    if form == "auto":
        form = "text" if stream.isatty() else "json"
    write = JSONObserver(stream) if form == "json" else TextObserver(stream)
    predicate = LogLevelFilterPredicate(LEVELS[level])
    # Twisted reports each new connection, port and factory at level info.
    predicate.setLogLevelForNamespace("twisted", max(LEVELS[level], LogLevel.warn, key=_severity))
    return FilteringLogObserver(write, [predicate])


def _severity(level: object) -> int:
    return list(_WRITTEN).index(level)
