"""
Log lines: text for people, in the form that users of the official gateway know, or JSON.

Either way an event is one line, and what a device sends can't start another one.

To fill in Twisted's formats, field by field, costs more than to serve a short request. An event
that comes with each of them brings what is to be written along, escaped as JSON wants it:
``log_message``, the message in quotes, and ``log_members``, what the message was made of, as
members of an object (``"status": 204, "bytes": 0``), none of which may be called like the line's
own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import TextIO

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

from menderproxy.wire.redaction import redacted

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

_NUMBERS = (int, float, bool, type(None))


@implementer(ILogObserver)
class TextObserver:
    """Writes ``time="…" level=info msg="…"`` lines."""

    def __init__(self, stream: TextIO):
        self._write = _writing(stream)

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        time = _second(int(event["log_time"]))
        level = _WRITTEN.get(event.get("log_level"), "info")
        self._write(f'time="{time}Z" level={level} msg={_literal(event)}\n')


@implementer(ILogObserver)
class JSONObserver:
    """
    Writes JSON objects with ``time``, ``level``, ``msg`` and ``logger``.

    What the message was made of (a method, a status, an address) is in there by its own name as
    well.
    """

    def __init__(self, stream: TextIO):
        self._write = _writing(stream)

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        second, microseconds = divmod(round(event["log_time"] * 1_000_000), 1_000_000)
        time = f"{_second(second)}.{microseconds // 1000:03}Z"
        level = _WRITTEN.get(event.get("log_level"), "info")
        namespace = event.get("log_namespace", "")
        members = event.get("log_members")
        if members:
            line = (
                f'{{{members}, "time": "{time}", "level": "{level}", "msg": {_literal(event)},'
                f' "logger": {quoted(namespace)}}}'
            )
        else:
            own = {"time": time, "level": level, "msg": _message(event), "logger": namespace}
            line = json.dumps({**_fields(event), **own})
        self._write(line + "\n")


def _writing(stream: TextIO) -> Callable[[str], object]:
    """Give what writes a line, which must be out before the next thing happens."""
    if getattr(stream, "line_buffering", False):
        # It flushes at the end of a line, as standard error does.
        return stream.write

    def write(line: str) -> None:
        stream.write(line)
        stream.flush()

    return write


@lru_cache(1)
def _second(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _fields(event: LogEvent) -> dict[str, object]:
    if "isError" in event:
        # What old code of Twisted logs is full of its own bookkeeping.
        return {}
    return {
        name: value if isinstance(value, _NUMBERS) else redacted(str(value))
        for name, value in event.items()
        if value != "" and not name.startswith("log_")
    }


def _literal(event: LogEvent) -> str:
    """An event's message, in quotes."""
    return event.get("log_message") or quoted(_message(event))


def _message(event: LogEvent) -> str:
    message = formatEvent(event)
    failure = event.get("log_failure")
    if failure is not None:
        traceback: str = failure.getTraceback().strip()
        message = f"{message}: {traceback}" if message else traceback
    return redacted(message)


@implementer(ILogObserver)
class Threshold:
    """
    Passes events of some levels on.

    Twisted has the like, which looks through all levels and name spaces for each event.

    :param level: the lowest that is passed on. Of Twisted itself, which reports each new
        connection, port and factory, warnings are the lowest.
    """

    def __init__(self, level: object, observer: ILogObserver):
        levels = list(_WRITTEN)
        self._ours = frozenset(levels[levels.index(level) :])
        self._of_twisted = self._ours & frozenset(levels[levels.index(LogLevel.warn) :])
        self._observer = observer

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        namespace = event.get("log_namespace") or ""
        is_of_twisted = namespace == "twisted" or namespace.startswith("twisted.")
        if event.get("log_level") in (self._of_twisted if is_of_twisted else self._ours):
            self._observer(event)


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
    return Threshold(LEVELS[level], write)
