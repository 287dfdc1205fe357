"""A name server's moods."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from bench.soak.names import METADATA, NOBODY, Mood, Names

NAME = "store.soak.test"


class _Sent:
    """Stands for the protocol that answers go out by."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def writeMessage(self, message: Any, address: object) -> None:
        """Keep it."""
        self.messages.append(message)


class MoodTests(SynchronousTestCase):
    """What becomes of a question."""

    def ask(self, mood: Mood, name: str = NAME, kind: int = dns.A) -> Any:
        """Ask, and give the answer: a status and addresses; ``None`` for none."""
        names, sent = Names(MemoryReactorClock(), NAME), _Sent()
        names.mood = mood
        question = dns.Message()
        question.queries = [dns.Query(name, kind)]
        names.messageReceived(question, sent)
        if not sent.messages:
            return None
        [answer] = sent.messages
        return answer.rCode, [each.payload.dottedQuad() for each in answer.answers]

    def test_answers(self) -> None:
        """The name leads to this machine, in any case of its letters."""
        self.assertEqual(self.ask(Mood.ANSWERS), (dns.OK, ["127.0.0.1"]))
        self.assertEqual(self.ask(Mood.ANSWERS, "Store.SOAK.test"), (dns.OK, ["127.0.0.1"]))

    def test_other(self) -> None:
        """There are no other names, and it has no IPv6 address."""
        self.assertEqual(self.ask(Mood.ANSWERS, "other.test"), (dns.ENAME, []))
        self.assertEqual(self.ask(Mood.ANSWERS, kind=dns.AAAA), (dns.OK, []))

    def test_fails(self) -> None:
        """It can say that there is no such name, that it can't tell, or nothing."""
        self.assertEqual(self.ask(Mood.DENIES), (dns.ENAME, []))
        self.assertEqual(self.ask(Mood.FAILS), (dns.ESERVER, []))
        self.assertIsNone(self.ask(Mood.SILENT))

    def test_astray(self) -> None:
        """It can lead astray."""
        self.assertEqual(self.ask(Mood.NOBODY), (dns.OK, [NOBODY]))
        self.assertEqual(self.ask(Mood.METADATA), (dns.OK, [METADATA]))
