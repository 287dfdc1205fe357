"""Log lines: one for each event, in the form that scripts know from the official gateway."""

from __future__ import annotations

import io
import json
import re
from typing import cast

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, LogPublisher
from twisted.python import log as old_log
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from menderproxy.ops.logs import LEVELS, observer

LINE = re.compile(r'time="2026-01-02T03:04:05Z" level=([a-z]+) msg=("(?:[^"\\]|\\.)*")\n')
NOON = 1767323045.678


class LogsTestCase(SynchronousTestCase):
    """Has a log that is written to memory."""

    def setUp(self) -> None:
        """Open the log, for everything."""
        self.stream = io.StringIO()
        self.open("debug")

    def open(self, level: str) -> None:
        """Open the log for some level and above."""
        self.observer: ILogObserver = observer(level, self.stream)

    def logger(self, namespace: str = "menderproxy.web.forward") -> Logger:
        """Give a logger that writes to the log, at a known time."""

        @implementer(ILogObserver)
        def at_a_known_time(event: LogEvent) -> None:
            self.observer({**event, "log_time": NOON})

        return Logger(namespace, observer=at_a_known_time)

    def lines(self) -> list[tuple[str, str]]:
        """Give level and message of each line."""
        lines = self.stream.getvalue().splitlines(keepends=True)
        matches = [LINE.fullmatch(line) for line in lines]
        self.assertNotIn(None, matches, lines)
        return [(match[1], json.loads(match[2])) for match in matches if match]


class FormTests(LogsTestCase):
    """How a line looks."""

    def test_whole_line(self) -> None:
        """Time in UTC, level and message, as the official gateway writes them."""
        self.logger().info("{label}: listening on {at}", label="HTTP.Listen", at="[::]:80")
        self.assertEqual(
            self.stream.getvalue(),
            'time="2026-01-02T03:04:05Z" level=info msg="HTTP.Listen: listening on [::]:80"\n',
        )

    def test_levels(self) -> None:
        """The levels have the official names."""
        for level in LogLevel.iterconstants():
            self.logger().emit(level, "x")
        self.assertEqual(
            [level for level, _ in self.lines()], ["debug", "info", "warning", "error", "fatal"]
        )

    def test_one_line(self) -> None:
        """What a device sends can't start a line of its own, or end the message."""
        evil = 'a"\r\nlevel=fatal msg="b\\\x00\x1b[2J\x85\u2028'
        self.logger().warn("bad target {target}", target=evil)
        self.assertEqual(self.lines(), [("warning", f"bad target {evil}")])
        text = self.stream.getvalue()
        self.assertTrue(text.isascii())
        self.assertTrue(text[:-1].isprintable())

    def test_ready_made(self) -> None:
        """An event may bring its message along, escaped and in quotes."""
        self.logger().info("a format", log_message=r'"{a} \"b\""')
        self.assertEqual(self.lines(), [("info", '{a} "b"')])

    def test_bad_format(self) -> None:
        """An event that can't be formatted is one line as well."""
        self.logger().info("{missing}")
        [(level, message)] = self.lines()
        self.assertEqual(level, "info")
        self.assertIn("missing", message)

    def test_flushed(self) -> None:
        """A line is out before the next thing happens, which may be a crash."""

        class Buffer(io.StringIO):
            flushed = ""

            def flush(self) -> None:
                self.flushed = self.getvalue()

        self.stream = buffer = Buffer()
        self.open("info")
        self.logger().info("x")
        self.assertIn('msg="x"', buffer.flushed)

    def test_out(self) -> None:
        """So it is with a file, whether the file itself sees to that or not."""
        for form in ("text", "json"):
            for line_buffering in (False, True):
                out = io.BytesIO()
                stream = io.TextIOWrapper(
                    io.BufferedWriter(cast(io.RawIOBase, out)), line_buffering=line_buffering
                )
                self.observer = observer("info", stream, form)
                self.logger().info("x")
                self.assertEqual(out.getvalue().count(b"\n"), 1)


class JSONTests(LogsTestCase):
    """The same for programs."""

    def open(self, level: str) -> None:
        """Open the log for some level and above."""
        self.observer = observer(level, self.stream, "json")

    def line(self) -> dict[str, object]:
        """Give the only line."""
        text = self.stream.getvalue()
        self.assertEqual(text.count("\n"), 1, text)
        line: dict[str, object] = json.loads(text)
        return line

    def test_whole_line(self) -> None:
        """Time, level, message, who says so, and what the message was made of."""
        self.logger().warn("{label}: {count} of {at}", label="x", count=2, at=LogLevel.info)
        self.assertEqual(
            self.line(),
            {
                "time": "2026-01-02T03:04:05.678Z",
                "level": "warning",
                "msg": "x: 2 of <LogLevel=info>",
                "logger": "menderproxy.web.forward",
                "label": "x",
                "count": 2,
                "at": "<LogLevel=info>",
            },
        )

    def test_ready_made(self) -> None:
        """An event may bring its message and its fields along, escaped."""
        members = r'"status": 204, "path": "\\"'
        self.logger().info("a format", log_message=r'"a \"line\""', log_members=members)
        line = self.line()
        self.assertEqual(line["msg"], 'a "line"')
        self.assertEqual(
            list(line.items())[:3],
            [("status", 204), ("path", "\\"), ("time", "2026-01-02T03:04:05.678Z")],
        )

    def test_time(self) -> None:
        """The time has milliseconds, that are never more than are over."""
        for time, written in (
            (NOON - 0.678, "05.000"),
            (NOON + 0.3219, "05.999"),
            (NOON + 0.322, "06.000"),
            (NOON + 60, "05.678"),
        ):
            self.stream.seek(0)
            self.observer({"log_level": LogLevel.info, "log_namespace": "x", "log_time": time})
            self.assertIn(f':{written}Z", "level"', self.stream.getvalue(), time)

    def test_no_disguise(self) -> None:
        """No field of an event takes the place of the line's own."""
        self.logger().info("x", msg="y", time="z", logger="w")
        line = self.line()
        self.assertEqual((line["msg"], line["logger"]), ("x", "menderproxy.web.forward"))

    def test_nothing(self) -> None:
        """What is empty is left out."""
        self.logger().info("x{remark}", remark="", count=0)
        line = self.line()
        self.assertNotIn("remark", line)
        self.assertEqual(line["count"], 0)

    def test_one_line(self) -> None:
        """What a device sends stays within its string."""
        evil = 'a"}\r\n{"level":"fatal"\u2028\x85\x00'
        self.logger().warn("bad target {target}", target=evil)
        self.assertEqual(self.line()["target"], evil)
        self.assertTrue(self.stream.getvalue()[:-1].isprintable())

    def test_traceback(self) -> None:
        """A failure comes with its traceback."""
        try:
            raise ValueError("why")
        except ValueError:
            self.logger().failure("while answering")
        self.assertIn("builtins.ValueError: why", str(self.line()["msg"]))

    def test_secrets(self) -> None:
        """Neither a traceback nor a field shows a secret that an exception quotes."""
        link = "https://store.example/one?X-Amz-Signature=secret"
        try:
            raise ValueError(f"can't parse {link}")
        except ValueError:
            self.logger().failure("while answering {link}", link=link)
        line = self.line()
        self.assertEqual(line["link"], "https://store.example/one?[hidden]")
        self.assertNotIn("X-Amz-Signature", str(line))

    def test_old_code(self) -> None:
        """What old code of Twisted logs has its message only."""
        publisher = LogPublisher(self.observer)
        old_log.LogPublisher(publisher, publisher).msg("old", "news")
        self.assertEqual(self.line()["msg"], "old news")
        self.assertLessEqual(self.line().keys(), {"time", "level", "msg", "logger"})


class AutomaticTests(LogsTestCase):
    """Unless it is told, the log finds its form itself."""

    def first_letter(self, stream: io.StringIO) -> str:
        """Give what a line begins with."""
        self.observer = observer("info", stream, "auto")
        self.logger().info("x")
        return stream.getvalue()[0]

    def test_forms(self) -> None:
        """People at a terminal get text, programs get JSON."""

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        self.assertEqual(self.first_letter(Terminal()), "t")
        self.assertEqual(self.first_letter(io.StringIO()), "{")


class FailureTests(LogsTestCase):
    """Failures come with their traceback."""

    def failure(self) -> Failure:
        """Make a failure that was raised."""
        try:
            raise ValueError("why")
        except ValueError:
            return Failure()

    def test_traceback(self) -> None:
        """Message, traceback and error share one line."""
        self.logger().failure("while answering", self.failure())
        [(level, message)] = self.lines()
        self.assertEqual(level, "fatal")
        self.assertTrue(message.startswith("while answering: Traceback (most recent call last)"))
        self.assertTrue(message.endswith("builtins.ValueError: why"))

    def test_without_a_message(self) -> None:
        """A failure that nobody describes is told by its traceback."""
        bare = {"log_level": LogLevel.critical, "log_namespace": "menderproxy", "log_time": NOON}
        self.observer({**bare, "log_failure": self.failure()})
        [(_, message)] = self.lines()
        self.assertTrue(message.startswith("Traceback"))


class LevelTests(LogsTestCase):
    """``--log-level`` is kept to."""

    def written_at(self, level: str, namespace: str) -> list[str]:
        """Give the levels of the lines that are written when all levels are logged."""
        self.stream = io.StringIO()
        self.open(level)
        for each in LogLevel.iterconstants():
            self.logger(namespace).emit(each, "x")
        return [written for written, _ in self.lines()]

    def test_ours(self) -> None:
        """Lines of the level and above are written."""
        written = ["debug", "info", "warning", "error", "fatal"]
        for level, first in (
            ("debug", 0),
            ("info", 1),
            ("warn", 2),
            ("warning", 2),
            ("error", 3),
            ("fatal", 4),
        ):
            self.assertEqual(self.written_at(level, "menderproxy.web"), written[first:])

    def test_all_names(self) -> None:
        """Every level that may be asked for is known."""
        for level in LEVELS:
            self.assertTrue(self.written_at(level, "menderproxy"))

    def test_twisted(self) -> None:
        """Twisted reports connections and factories: only its warnings and errors are written."""
        for namespace in ("twisted", "twisted.web.http.HTTPChannel", "twisted.internet"):
            self.assertEqual(self.written_at("debug", namespace), ["warning", "error", "fatal"])
            self.assertEqual(self.written_at("info", namespace), ["warning", "error", "fatal"])
            self.assertEqual(self.written_at("error", namespace), ["error", "fatal"])

    def test_others(self) -> None:
        """A name that begins like Twisted's is another one."""
        self.assertEqual(self.written_at("info", "twistedly")[0], "info")

    def test_without_level(self) -> None:
        """An event that has no level is nothing for a log with levels."""
        self.observer({"log_namespace": "menderproxy", "log_time": NOON})
        self.assertEqual(self.stream.getvalue(), "")


class LegacyTests(LogsTestCase):
    """Old code of Twisted logs in an old way."""

    def test_text(self) -> None:
        """An old event is a line like any other."""
        publisher = LogPublisher(self.observer)
        old_log.LogPublisher(publisher, publisher).msg("old", "news")
        self.assertTrue(self.stream.getvalue().endswith(' level=info msg="old news"\n'))
