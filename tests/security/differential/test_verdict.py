"""Tests of the judgement: each thing that must not be is noticed."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.security.differential.contest import Outcome
from tests.security.differential.grammar import ALL, Case, case
from tests.security.differential.reading import read_all, read_one
from tests.security.differential.verdict import GATEWAY, faults, is_only_ours

SENT = (
    b"PUT /a HTTP/1.1\r\nHost: g\r\nAuthorization: x\r\nContent-Length: 2\r\n\r\n[]"
    b"GET /last HTTP/1.1\r\nHost: g\r\n\r\n"
)
CLAIMS = b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
FIRST = b"PUT /a HTTP/1.1\r\nHost: up\r\nAuthorization: x\r\n%bContent-Length: 2\r\n\r\n[]" % CLAIMS
SECOND = b"GET /last HTTP/1.1\r\nHost: up\r\n%b\r\n" % CLAIMS
ANSWERED, REFUSED = b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"


def outcome(*forwarded: bytes, garbled: bytes = b"", answer: bytes = ANSWERED) -> Outcome:
    """Give what became of a case."""
    return Outcome([read_one(each) for each in forwarded], [garbled] if garbled else [], answer)


class FaultTests(SynchronousTestCase):
    """What is wrong with what was forwarded."""

    def faults(self, of: Outcome, *oddities: str) -> list[str]:
        """Judge."""
        return list(faults(Case(0, (SENT,), frozenset(oddities)), of, b"up"))

    def test_none(self) -> None:
        """Nothing is wrong with all that was sent, nor, if something is odd, with less."""
        self.assertEqual(self.faults(outcome(FIRST, SECOND)), [])
        for less in (outcome(), outcome(FIRST), outcome(SECOND)):
            self.assertEqual(self.faults(less, "something"), [])
            self.assertNotEqual(self.faults(less), [])

    def test_wrong(self) -> None:
        """Whatever differs from what was sent, or from our own way to write it, is wrong."""
        for old, new in (
            (b"PUT", b"POST"),
            (b"/a", b"/b"),
            (b"[]", b"{}"),
            (b"Host: up", b"Host: g"),
            (b"Authorization: x", b"Authorization: y"),
            (b"Authorization: x\r\n", b""),
            (b"Authorization: x", b"Authorization: x\r\nAuthorization: x"),
            (b"Authorization: x", b"Authorization:  x"),
            (b"Authorization: x", b"Authorization: x\r\nX: \x0b"),
            (b"Authorization: x", b"Authorization: x\r\nConnection: close"),
            (b"X-Forwarded-For: 127.0.0.1\r\n", b""),
            (b"X-Forwarded-For", b"Forwarded: x\r\nX-Forwarded-For"),
            (b"HTTP/1.1", b"HTTP/1.0"),
            (
                b"Content-Length: 2\r\n\r\n[]",
                b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
            ),
        ):
            raw = FIRST.replace(old, new, 1)
            self.assertNotEqual(self.faults(outcome(raw), "something"), [], new)

    def test_order(self) -> None:
        """Requests that changed places, come twice, or come from a body are wrong."""
        hidden = SECOND.replace(b"/last", b"/hidden")
        for forwarded in (
            (SECOND, FIRST),
            (FIRST, FIRST),
            (FIRST, SECOND, SECOND),
            (FIRST, hidden, SECOND),
        ):
            self.assertNotEqual(self.faults(outcome(*forwarded), "something"), [])

    def test_garbled(self) -> None:
        """Bytes that are no request are wrong."""
        self.assertNotEqual(self.faults(outcome(FIRST, SECOND, garbled=b"x"), "something"), [])


class ComparisonTests(SynchronousTestCase):
    """What only we forward."""

    def test_only_ours(self) -> None:
        """All others have to refuse it, and it must be clear what they refuse."""
        ours, refused = outcome(FIRST), outcome(answer=REFUSED)
        one = Case(0, (SENT,), frozenset({"something"}))
        for expected, each, others in (
            (True, one, (refused, refused)),
            (False, one, (refused, ours)),
            (False, one, (refused, outcome())),
            (False, one, ()),
            (False, Case(0, (SENT,), frozenset({"one", "other"})), (refused, refused)),
        ):
            outcomes = {GATEWAY: ours, **{str(i): other for i, other in enumerate(others)}}
            self.assertEqual(is_only_ours(each, outcomes), expected)


class GrammarTests(SynchronousTestCase):
    """The cases themselves."""

    def test_same(self) -> None:
        """A number stands for one case, and another seed for another."""
        self.assertEqual(case(500, 1), case(500, 1))
        self.assertNotEqual(case(500, 1).raw, case(500, 2).raw)

    def test_complete(self) -> None:
        """Each oddity comes by itself, and later ones come together."""
        singles = [case(each, 1).oddities for each in range(len(ALL))]
        self.assertEqual(singles, [{": ".join(each)} for each in ALL])
        more = [len(case(len(ALL) + each, 1).oddities) for each in range(200)]
        self.assertEqual({0, 1, 2, 3} - set(more), set())

    def test_readable(self) -> None:
        """Without an oddity, there is nothing that a strict reader would not read."""
        usual = [case(number, 1) for number in range(len(ALL), len(ALL) + 500)]
        usual = [each for each in usual if not each.oddities]
        self.assertNotEqual(usual, [])
        for each in usual:
            self.assertEqual(b"".join(one.raw for one in read_all(each.raw)), each.raw)
