"""Tests of forwarding: what of the Mender Server's answer reaches the device."""

from __future__ import annotations

from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.wire.body import BodySink
from tests.web.device import Device, Reply
from tests.web.fakes import FakeAnswer
from tests.web.testcase import API, SiteTestCase

MEGABYTE = 1024 * 1024


class AnswerTestCase(SiteTestCase):
    """Asks, and is answered."""

    def asking(
        self, answer: FakeAnswer, method: bytes = b"GET", version: bytes = b"HTTP/1.1"
    ) -> Device:
        """Let a device ask and the head of the answer come."""
        device = self.device()
        device.ask(method, API, version=version)
        self.agent.asked.pop().answer(answer)
        return device

    def answered(
        self,
        answer: FakeAnswer,
        *body: bytes,
        method: bytes = b"GET",
        version: bytes = b"HTTP/1.1",
        certain: bool = True,
    ) -> Reply:
        """Answer a device's request, and give what came of it."""
        device = self.asking(answer, method, version)
        if not answer.aborted:
            answer.send(*body)
            answer.end(certain=certain)
        device.hang_up()
        self.assertFalse(device.cut)
        return device.reply(to_head=method == b"HEAD")


class PassedOnTests(AnswerTestCase):
    """What is passed on as it came."""

    def test_statuses(self) -> None:
        """Every status but redirects is passed on."""
        for status in (*range(200, 300), 304, *range(400, 600)):
            length = 0 if status in (204, 304) else 2
            body = b"{}"[:length]
            reply = self.answered(FakeAnswer(status, length=length), body)
            self.assertEqual((reply.status, reply.body), (status, body))

    def test_headers(self) -> None:
        """Headers are passed on, with duplicates, and spelled as clients want them."""
        reply = self.answered(
            FakeAnswer(
                429,
                (b"Retry-After", b"7"),
                (b"Set-Cookie", b"a=b"),
                (b"Set-Cookie", b"c=d"),
                (b"X-Men-Requestid", b"abc"),
                (b"Content-Type", b"application/json; charset=utf-8"),
                (b"Date", b"Tue, 14 Nov 2023 22:13:20 GMT"),
                (b"Server", b"traefik"),
                length=2,
            ),
            b"{}",
        )
        self.assertEqual(reply[b"Retry-After"], b"7")
        self.assertEqual(reply[b"X-Men-Requestid"], b"abc")
        self.assertEqual(reply[b"Content-Type"], b"application/json; charset=utf-8")
        self.assertEqual(reply[b"Date"], b"Tue, 14 Nov 2023 22:13:20 GMT")
        self.assertEqual(reply[b"Server"], b"traefik")
        self.assertIn((b"Set-Cookie", b"a=b"), reply.headers)
        self.assertIn((b"Set-Cookie", b"c=d"), reply.headers)

    def test_hop_by_hop(self) -> None:
        """Headers for the upstream's connection stay there."""
        names = (b"Keep-Alive", b"Upgrade", b"Proxy-Authenticate", b"X-Mine", b"Trailer")
        reply = self.answered(
            FakeAnswer(
                200, (b"Connection", b"X-Mine"), *((name, b"x") for name in names), length=2
            ),
            b"{}",
        )
        self.assertEqual(reply.names & {name.lower() for name in (*names, b"connection")}, set())

    def test_compressed(self) -> None:
        """A compressed body stays compressed."""
        body = b"\x1f\x8b\x08whatever"
        reply = self.answered(
            FakeAnswer(200, (b"Content-Encoding", b"gzip"), length=len(body)), body
        )
        self.assertEqual((reply.body, reply[b"Content-Encoding"]), (body, b"gzip"))

    def test_token(self) -> None:
        """A token that is the whole body gets no byte more."""
        reply = self.answered(
            FakeAnswer(200, (b"Content-Type", b"application/jwt"), length=9), b"a.b", b"c.defg"
        )
        self.assertEqual((reply.body, reply[b"Content-Length"]), (b"a.bc.defg", b"9"))

    def test_long_phrase(self) -> None:
        """A reason phrase does not fill up a small client's buffer."""
        answer = FakeAnswer(200, length=0, phrase=b"x" * 10_000)
        device = self.asking(answer)
        answer.end()
        self.assertLess(len(device.received), 200)


class FramingTests(AnswerTestCase):
    """How a device learns where a body ends."""

    def test_length(self) -> None:
        """A body of known length has its Content-Length, also when it is empty."""
        for body in (b"", b"x" * 1000):
            reply = self.answered(FakeAnswer(200, length=len(body)), body)
            self.assertEqual(reply[b"Content-Length"], b"%d" % len(body))
            self.assertIsNone(reply[b"Transfer-Encoding"])

    def test_unknown_length(self) -> None:
        """A body of unknown length is chunked, however the upstream ended it."""
        for certain in (True, False):
            reply = self.answered(FakeAnswer(200), b"some ", b"", b"bytes", certain=certain)
            self.assertEqual((reply.body, reply[b"Transfer-Encoding"]), (b"some bytes", b"chunked"))

    def test_old_version(self) -> None:
        """A device with HTTP/1.0 gets a Content-Length in any case: never only a closed line."""
        for length in (10, None):
            reply = self.answered(
                FakeAnswer(200, length=length), b"some ", b"bytes", version=b"HTTP/1.0"
            )
            self.assertEqual((reply.body, reply[b"Content-Length"]), (b"some bytes", b"10"))

    def test_old_version_too_long(self) -> None:
        """What is too long to be counted first is refused to it, and the upstream dropped."""
        answer = FakeAnswer(200, (b"ETag", b"x"))
        device = self.asking(answer, version=b"HTTP/1.0")
        answer.send(b"x" * MEGABYTE)
        self.assertEqual(device.received, b"")
        answer.send(b"x")
        self.assertTrue(answer.aborted)
        reply = device.reply()
        self.assertEqual((reply.status, reply[b"ETag"]), (502, None))

    def test_old_version_broken(self) -> None:
        """What breaks off while it is counted is a 502."""
        answer = FakeAnswer(200, (b"Content-Encoding", b"gzip"))
        device = self.asking(answer, version=b"HTTP/1.0")
        answer.send(b"half")
        answer.break_off(UpstreamUnavailable("cut"))
        reply = device.reply()
        self.assertEqual((reply.status, reply[b"Content-Encoding"]), (502, None))

    def test_head(self) -> None:
        """An answer to HEAD has the length that GET's would have, and no body."""
        reply = self.answered(
            FakeAnswer(200, (b"Content-Length", b"1234"), length=0), method=b"HEAD"
        )
        self.assertEqual(reply[b"Content-Length"], b"1234")
        reply = self.answered(FakeAnswer(200, length=0), method=b"HEAD")
        self.assertEqual(reply.names, {b"date"})

    def test_bodiless(self) -> None:
        """204 and 304 have neither body nor length."""
        for status in (204, 304):
            for length in (0, None):
                reply = self.answered(FakeAnswer(status, length=length))
                self.assertEqual((reply.status, reply.names), (status, {b"date"}))

    def test_next_request(self) -> None:
        """Whatever the framing, the connection can be used again."""
        for answer, body in (
            (FakeAnswer(200, length=3), b"abc"),
            (FakeAnswer(200), b"abc"),
            (FakeAnswer(204, length=0), b""),
        ):
            device = self.asking(answer)
            answer.send(body)
            answer.end()
            device.forget_received()
            device.ask(b"GET", b"/nothing")
            self.assertEqual(device.reply().status, 404)
            device.hang_up()


class UnfitTests(AnswerTestCase):
    """Answers that no device could use."""

    def test_redirects(self) -> None:
        """A redirect leads out of a device's reach, so it is a 502, and said so in the log."""
        lines = self.watch_log()
        for status in (300, 301, 302, 303, 307, 308):
            answer = FakeAnswer(status, (b"Location", b"https://else.example/"), length=2)
            reply = self.answered(answer)
            self.assertEqual((reply.status, reply[b"Location"]), (502, None))
            self.assertTrue(answer.aborted)
            self.assertIn("UpstreamServer.URL", lines[-2])

    def test_large_head(self) -> None:
        """Of a head that is too large what no client needs is dropped, and said so."""
        lines = self.watch_log()
        reply = self.answered(
            FakeAnswer(200, (b"X-Trace", b"x" * 9000), (b"ETag", b'"tag"'), length=2), b"{}"
        )
        self.assertEqual((reply[b"X-Trace"], reply[b"ETag"], reply.body), (None, b'"tag"', b"{}"))
        self.assertIn("X-Trace", lines[0])

    def test_head_too_large(self) -> None:
        """When that does not help, it is a 502."""
        answer = FakeAnswer(200, (b"ETag", b"x" * 9000), length=2)
        self.assertEqual(self.answered(answer).status, 502)
        self.assertTrue(answer.aborted)


class WholeAnswer(FakeAnswer):
    """An answer whose body came together with its head."""

    def __init__(self, code: int, length: int | None, *pieces: bytes):
        super().__init__(code, length=length)
        self._pieces = pieces

    def take_whole(self) -> bytes | None:
        """Give all of it, unless it is not what the head says."""
        whole = b"".join(self._pieces)
        return whole if self.length in (None, len(whole)) else None

    def deliver(self, sink: BodySink) -> None:
        """Give all of it."""
        super().deliver(sink)
        self.send(*self._pieces)
        self.end()


class WholeTests(AnswerTestCase):
    """Answers that are all here, as most of them are."""

    def writes(self, answer: FakeAnswer, method: bytes = b"GET") -> tuple[Device, list[bytes]]:
        """Answer a device's request, and give what was written."""
        device = self.device()
        device.ask(method, API)
        written: list[bytes] = []
        self.patch(device.line, "write", written.append)
        self.agent.asked.pop().answer(answer)
        return device, written

    def test_one_write(self) -> None:
        """Head and body go out together."""
        for answer, body in (
            (WholeAnswer(204, 0), b""),
            (WholeAnswer(200, 0), b""),
            (WholeAnswer(200, 5, b"ab", b"cde"), b"abcde"),
        ):
            device, [written] = self.writes(answer)
            self.assertTrue(written.endswith(b"\r\n\r\n" + body), written)
            self.assertFalse(device.cut or device.closed or answer.aborted)
            device.hang_up()

    def test_without_length(self) -> None:
        """A body of unknown length stays one, however soon it ends."""
        device = self.asking(WholeAnswer(200, None, b"abc"))
        reply = device.reply()
        self.assertEqual((reply.body, reply[b"Transfer-Encoding"]), (b"abc", b"chunked"))

    def test_head(self) -> None:
        """An answer to HEAD has no body, whatever the upstream thinks."""
        for answer in (WholeAnswer(200, 0), WholeAnswer(200, 3, b"abc")):
            _, [written] = self.writes(answer, b"HEAD")
            self.assertTrue(written.endswith(b"\r\n\r\n"), written)

    def test_not_as_promised(self) -> None:
        """One that is shorter than it promised, or longer, is cut off."""
        for promised in (2, 4):
            device = self.asking(WholeAnswer(200, promised, b"abc"))
            self.assertTrue(device.cut)
            device.hang_up()

    def test_next(self) -> None:
        """The next request on the same connection is served."""
        device = self.asking(WholeAnswer(204, 0))
        device.forget_received()
        device.ask(b"GET", API)
        self.agent.asked.pop().answer(WholeAnswer(200, 2, b"ab"))
        self.assertEqual(device.reply().body, b"ab")
