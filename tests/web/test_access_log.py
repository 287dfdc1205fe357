"""Tests of the access log: a line for each request, and no secret in it."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.ops.logs import observer
from menderproxy.web import access_log
from menderproxy.web.access_log import LONGEST_SEGMENT, loggable_path
from menderproxy.wire.device_token import device_id
from tests.web.fakes import FakeAnswer
from tests.web.testcase import API, SiteTestCase

Header = tuple[bytes, bytes]
PAYLOAD = b"aHR0cHM6Ly9zdG9yZS5leGFtcGxlL2I" * 5


class LineTests(SiteTestCase):
    """When there is a line, and what it says."""

    def setUp(self) -> None:
        """Watch the log."""
        super().setUp()
        self.lines = self.watch_log()

    def test_finished(self) -> None:
        """A request that was answered has its line when the answer has ended."""
        device = self.device(address="::ffff:192.0.2.9")
        device.ask(b"PUT", API + b"?token=secret", body=b"[]")
        answer = self.agent.asked[0].answer(FakeAnswer(429, length=5))
        answer.send(b"later")
        self.clock.advance(1.5)
        self.assertEqual(self.lines, [])
        answer.end()
        self.assertEqual(
            self.lines,
            [
                f"method=PUT path={API.decode()} status=429 type=HTTP/1.1 bytes=5 received=2"
                " time=1.500 from=192.0.2.9 route=inventory"
            ],
        )

    def test_broken_off(self) -> None:
        """A request whose device went away has its line as well."""
        device = self.device()
        device.ask(b"GET", API)
        answer = self.agent.asked[0].answer(FakeAnswer(200, length=10))
        answer.send(b"half")
        device.hang_up()
        (line,) = self.lines
        self.assertIn("status=200 type=HTTP/1.1 bytes=4 ", line)
        self.assertTrue(line.endswith(" (broken off)"), line)

    def test_device(self) -> None:
        """The line tells the device by its token, not the token."""
        claims = base64.urlsafe_b64encode(b'{"sub":"0b5f-11"}')
        self.device().ask(b"GET", b"/nothing", (b"Authorization", b"Bearer e30.%b.s" % claims))
        (line,) = self.lines
        self.assertTrue(line.endswith(" device=0b5f-11"), line)
        self.assertNotIn(claims.decode(), line)

    def test_known_device(self) -> None:
        """A token that was read is not read again, also on another connection."""
        claims = base64.urlsafe_b64encode(b'{"sub":"%b"}' % self.id().encode())
        token = (b"Authorization", b"Bearer e30.%b.s" % claims)
        read: list[bytes] = []

        def take_note(token: bytes) -> str | None:
            read.append(token)
            return device_id(token)

        self.patch(access_log, "device_id", take_note)
        for _ in range(2):
            self.device().ask(b"GET", b"/nothing", token)
        self.assertEqual(len(read), 1)
        told = {line.partition(" device=")[2] for line in self.lines}
        self.assertEqual(told, {self.id()[:LONGEST_SEGMENT]})

    def test_other_device(self) -> None:
        """Another token on the same connection is another device, and none is none."""
        device = self.device()
        for name in ("one", "two", "two", None, "one"):
            claims = base64.urlsafe_b64encode(json.dumps({"sub": name}).encode())
            token = (b"Authorization", b"Bearer e30.%b.s" % claims)
            device.ask(b"GET", b"/nothing", *([token] if name else []))
            told = self.lines.pop().partition(" device=")[2]
            self.assertEqual(told, name or "")

    def test_forged_device(self) -> None:
        """What a device calls itself stays one word, and a short one."""
        for name in ("a b\nstatus=200", "x" * 999, '"', "\u2028"):
            claims = base64.urlsafe_b64encode(json.dumps({"sub": name}).encode())
            device = self.device()
            device.ask(b"GET", b"/nothing", (b"Authorization", b"Bearer e30.%b.s" % claims))
            device.hang_up()
            self.assertRegex(self.lines.pop(), r" route=unknown device=[x?a-z0-9=]{1,64}\Z")

    def test_request_id(self) -> None:
        """The line tells what the server calls the request, or else what the device does."""
        device = self.device()
        for given, expected in (((), "d1"), (((b"X-MEN-RequestID", b"s1"),), "s1")):
            device.ask(b"GET", API, (b"X-MEN-RequestID", b"d1"))
            asked = self.agent.asked.pop()
            self.assertEqual(asked.values(b"x-men-requestid"), [b"d1"])
            asked.answer(FakeAnswer(200, *given, length=0)).end()
            self.assertTrue(self.lines.pop().endswith(f" request_id={expected}"))

    def test_not_found(self) -> None:
        """So has a request that nobody serves."""
        self.device().ask(b"GET", b"/nothing")
        (line,) = self.lines
        self.assertIn("method=GET path=/nothing status=404", line)

    def test_refused(self) -> None:
        """One that was refused before it was complete has a short line."""
        self.device().send(b"garbage\r\n\r\n")
        self.device().send(b"PUT %b HTTP/1.1\r\nHost: g\r\nContent-Length: 99999\r\n\r\n" % API)
        self.assertEqual(
            self.lines,
            ["status=400 from=192.0.2.7 (refused)", "status=413 from=192.0.2.7 (refused)"],
        )

    def test_secrets(self) -> None:
        """No header, query, payload or body gets into the log, whatever becomes of the request."""
        headers = ((b"Authorization", b"Bearer secret"), (b"X-Men-Signature", b"secret"))
        targets = (
            API + b"?signature=secret",
            b"/nothing?signature=secret",
            b"/artifacts/secret/name?issued=1&expire=2&signature=secret",
            b"/prefix/artifacts/%bsecret/name?signature=secret" % PAYLOAD,
            b"http://elsewhere.example/?secret",
            b"*?secret",
        )
        for target in targets:
            device = self.device()
            device.ask(b"PUT", target, *headers, body=b"secret")
            device.hang_up()
        self.assertEqual(len(self.lines), len(targets), self.lines)
        self.assertNotIn("secret", "".join(self.lines))


class FieldTests(SiteTestCase):
    """The line for programs."""

    def setUp(self) -> None:
        """Watch the log, in both forms."""
        super().setUp()
        self.texts = self.watch_log()
        self.stream = io.StringIO()
        write = observer("info", self.stream, "json")
        globalLogPublisher.addObserver(write)
        self.addCleanup(globalLogPublisher.removeObserver, write)

    def line(self, target: bytes, duration: float, *headers: Header) -> dict[str, Any]:
        """Give the line of a request whose device leaves after some seconds."""
        self.stream.seek(0)
        self.stream.truncate()
        device = self.device()
        device.ask(b"GET", target, *headers)
        self.clock.advance(duration)
        device.hang_up()
        line: dict[str, Any] = json.loads(self.stream.getvalue())
        self.assertEqual(self.stream.getvalue(), json.dumps(line) + "\n")
        self.assertEqual(line["msg"], self.texts[-1])
        return line

    def test_fields(self) -> None:
        """It has everything by its name, and the text as well."""
        line = self.line(API + b"?x", 0.25, (b"X-MEN-RequestID", b"r1"))
        del line["time"]
        self.assertEqual(
            list(line.items()),
            [
                ("method", "GET"),
                ("path", API.decode()),
                ("status", 200),
                ("type", "HTTP/1.1"),
                ("bytes", 0),
                ("received", 0),
                ("duration", 0.25),
                ("address", "192.0.2.7"),
                ("route", "inventory"),
                ("request_id", "r1"),
                ("remark", " (broken off)"),
                ("level", "info"),
                ("msg", self.texts[0]),
                ("logger", "menderproxy.web.access_log"),
            ],
        )

    def test_escaped(self) -> None:
        """Whatever is in a path is escaped, where it stands by itself and in the text."""
        for path, shown in (
            (b'/"', '/"'),
            (b"/\\", "/\\"),
            (b'/","status":200,"a":"', '/","status":200,"a":"'),
            (b"/\xa7", "/\xa7"),
            (b"/\x7f", "/?"),
        ):
            line = self.line(path, 1.0)
            self.assertEqual(line["path"], shown)
            self.assertNotEqual(line["status"], 200)
            self.assertIn(f" path={shown} status=4", line["msg"])

    def test_method(self) -> None:
        """All that a method may consist of stands for itself."""
        method = b"!#$%&'*+-.^_`|~09azAZ"
        self.device().ask(method, b"/")
        line = json.loads(self.stream.getvalue())
        self.assertEqual(line["method"], method.decode())
        self.assertEqual(self.stream.getvalue(), json.dumps(line) + "\n")

    def test_duration(self) -> None:
        """A duration is a number of seconds to three places, however short or long."""
        for duration, rounded in (
            (0.0, 0.0),
            (1e-05, 0.0),
            (0.0006, 0.001),
            (2.0, 2.0),
            (86400.1234, 86400.123),
            (1e9, 1e9),
        ):
            self.clock.rightNow = 0.0
            line = self.line(API, duration)
            self.assertEqual(line["duration"], rounded)
            self.assertIn(f" time={rounded:.3f} ", line["msg"])


class PathTests(SynchronousTestCase):
    """How a request target stands in the log."""

    def test_shown(self) -> None:
        """A path is shown as it came, without its query."""
        for target, shown in (
            (b"/api/devices/v1/x?y=z", "/api/devices/v1/x"),
            (b"/a%2fb", "/a%2fb"),
            (b"/artifacts/%b/release-2?x" % PAYLOAD, "/artifacts/.../release-2"),
            (b"/artifacts/short/release-2", "/artifacts/.../release-2"),
            (b"/artifacts/short", "/artifacts/.../short"),
            (b"/behind/artifacts/%b/release-2" % PAYLOAD, "/behind/artifacts/.../release-2"),
            (b"/" + b"x" * 64, "/" + "x" * 64),
            (b"/" + b"x" * 65, "/..."),
        ):
            self.assertEqual(loggable_path(target), shown)

    def test_harmless(self) -> None:
        """What could move a terminal's cursor is not shown."""
        self.assertEqual(loggable_path(b"/a\x1b[2J\x7f\x85\n"), "/a?[2J???")
