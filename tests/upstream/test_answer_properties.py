"""Any answer, in any segments, is the same answer; and nothing at all is too much for us."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from menderproxy.upstream.agent import Answer
from menderproxy.upstream.errors import UpstreamError
from tests.network import Line
from tests.upstream.sink import Sink
from tests.upstream.testcase import AgentTestCase
from tests.wire.properties import examples

NAMES = st.sampled_from([b"X-A", b"x-a", b"Date", b"Set-Cookie", b"Connection2"])
VALUES = st.text(st.characters(codec="latin-1", categories=["L", "N", "P"]), max_size=9)
HEADERS = st.lists(st.tuples(NAMES, VALUES.map(lambda text: text.encode("latin-1"))), max_size=4)
CUTS = st.lists(st.integers(0, 400), max_size=12)

END_BY_LENGTH, END_BY_CHUNK, END_BY_CLOSE = "length", "chunk", "close"


def framed(body: list[bytes], kind: str) -> tuple[bytes, bytes]:
    """Give the header that announces a body, and its bytes on the wire."""
    whole = b"".join(body)
    if kind == END_BY_LENGTH:
        return b"Content-Length: %d\r\n" % len(whole), whole
    if kind == END_BY_CLOSE:
        return b"", whole
    chunks = b"".join(b"%X;x=y\r\n%b\r\n" % (len(piece), piece) for piece in body)
    return b"transfer-encoding: chunked\r\n", chunks + b"0\r\nX-T: 1\r\n\r\n"


def cut(raw: bytes, cuts: list[int]) -> list[bytes]:
    """Cut bytes into segments."""
    places = sorted({0, len(raw), *(place for place in cuts if place < len(raw))})
    return [raw[first:last] for first, last in pairwise(places)]


class SegmentTests(AgentTestCase):
    """Legal answers."""

    @examples
    @given(
        st.integers(0, 2),
        HEADERS,
        st.lists(st.binary(min_size=1, max_size=30), max_size=4),
        st.sampled_from([END_BY_LENGTH, END_BY_CHUNK, END_BY_CLOSE]),
        CUTS,
        st.booleans(),
        st.booleans(),
    )
    def test_same(
        self,
        interims: int,
        headers: list[tuple[bytes, bytes]],
        body: list[bytes],
        kind: str,
        cuts: list[int],
        eager: bool,
        hesitant: bool,
    ) -> None:
        """Head, body and end are what was sent, also to a sink that pauses after each piece."""
        announced, raw_body = framed(body, kind)
        fields = b"".join(b"%b:%b\r\n" % header for header in headers)
        raw = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * interims
        raw += b"HTTP/1.1 200 OK\r\n" + fields + announced + b"\r\n" + raw_body
        line, asked = self.accept_request()
        answers: list[Answer] = []
        sink = Sink(on_data=lambda _: self.hesitate(answers[0]) if hesitant else None)
        asked.addCallback(answers.append)
        if eager:
            asked.addCallback(lambda _: answers[0].deliver(sink))
        line.send(*cut(raw, cuts))
        self.settle()
        (answer,) = answers
        if not eager:
            answer.deliver(sink)
            self.settle()
        self.assertEqual((answer.code, answer.phrase, answer.headers), (200, b"OK", headers))
        self.assertEqual(sink.data, b"".join(body))
        self.assertEqual(answer.length, len(sink.data) if kind == END_BY_LENGTH else None)
        if kind == END_BY_CLOSE:
            self.assertEqual((sink.ending, line.aborted), ([], False))
            line.hang_up()
            self.network.advance(0)
            self.assertEqual(sink.ending, ["uncertain"])
        else:
            self.assertEqual((sink.ending, line.aborted), (["certain"], False))
            self.assertEqual(self.agent.pool.idle, 1)
        self.let_go(line)

    def hesitate(self, answer: Answer) -> None:
        """Pause for a moment."""
        answer.pause()
        self.network.callLater(0, answer.resume)

    def settle(self) -> None:
        """Let everything happen that is to happen at once, one pause after the other."""
        for _ in range(30):
            self.network.advance(0)

    def let_go(self, line: Line) -> None:
        """Close a connection, so that the next example begins with none."""
        line.hang_up()
        self.network.advance(0)
        self.assertEqual((self.agent.pool.standing, self.agent.in_flight), (0, 0))
        self.assertEqual(self.network.getDelayedCalls(), [])


SEEDS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-A: b\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5;x\r\nabcde\r\n"
        b"0\r\n\r\n",
        b"HTTP/1.1 103 E\r\nA: b\r\n c\r\n\r\nHTTP/1.0 404 Not Found\r\n\r\nnothing here",
        b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    ]
)
BITS = st.sampled_from(
    [
        b"",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b" ",
        b":",
        b"0",
        b"-",
        b";",
        b"\xff",
        b"HTTP/1.1 ",
    ]
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 120), st.integers(0, 6), BITS | st.binary(max_size=3)), max_size=4
)


def deliver_all(answers: list[Answer], sink: Sink) -> None:
    """Take the bodies of answers, of which there is one at the most."""
    for answer in answers:
        answer.deliver(sink)


class GarbageTests(AgentTestCase):
    """Answers with defects."""

    @examples
    @given(SEEDS, CHANGES, CUTS, st.booleans())
    def test_survived(
        self, raw: bytes, changes: list[tuple[int, int, bytes]], cuts: list[int], eager: bool
    ) -> None:
        """Whatever comes ends in an answer or an error, once, and leaves nothing behind."""
        for place, size, bit in changes:
            raw = raw[:place] + bit + raw[place + size :]
        line, asked = self.accept_request()
        answers: list[Answer] = []
        errors: list[BaseException] = []
        sink = Sink()
        asked.addCallbacks(answers.append, lambda failure: errors.append(failure.value))
        if eager:
            asked.addCallback(lambda _: deliver_all(answers, sink))
        line.send(*cut(raw, cuts))
        self.network.advance(0)
        line.hang_up()
        self.network.advance(0)
        if answers and not eager:
            deliver_all(answers, sink)
            self.network.advance(0)
            line.hang_up()
            self.network.advance(0)
        self.assertEqual(len(answers) + len(errors), 1)
        self.assertTrue(all(isinstance(error, UpstreamError) for error in errors))
        self.assertEqual(len(sink.ending), len(answers))
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual((self.agent.pool.standing, self.agent.in_flight), (0, 0))
        self.assertEqual(self.network.getDelayedCalls(), [])
