"""What a site counts of its requests."""

from __future__ import annotations

from menderproxy.web.statistics import UNANSWERED, Exchange
from menderproxy.wire.routes import Route
from tests.web.fakes import FakeAnswer
from tests.web.testcase import API, LIMITS, SiteTestCase

INVENTORY = Exchange("GET", "200", Route.INVENTORY)


class ExchangeTests(SiteTestCase):
    """Requests that are over, by kind."""

    def assert_counted(self, *exchanges: Exchange) -> None:
        """Assert that this is all that happened, each once."""
        self.assertEqual(dict(self.site.statistics.exchanges), dict.fromkeys(exchanges, 1))

    def test_answered(self) -> None:
        """A request counts when its answer has ended."""
        self.device().ask(b"GET", API)
        self.assertEqual(len(self.site.statistics.under_way), 1)
        answer = self.agent.asked[0].answer(FakeAnswer(200, length=5))
        answer.send(b"01234")
        self.assert_counted()
        answer.end()
        self.assert_counted(INVENTORY)
        self.assertEqual(self.site.statistics.under_way, set())
        self.assertEqual(self.site.statistics.broken_off.total(), 0)

    def test_not_served(self) -> None:
        """So does one that nobody serves, by its route if it has one."""
        self.device().ask(b"GET", b"/nothing")
        self.device().ask(b"GET", b"/artifacts/a/b")
        self.assert_counted(
            Exchange("GET", "404", Route.UNKNOWN), Exchange("GET", "404", Route.ARTIFACT)
        )

    def test_refused(self) -> None:
        """So does one that is refused before it is complete."""
        self.device().send(b"garbage\r\n\r\n")
        self.assert_counted(Exchange("other", "400", Route.UNKNOWN))

    def test_broken_off(self) -> None:
        """One whose device leaves amid the answer has the status that it was told."""
        device = self.device()
        device.ask(b"GET", API)
        self.agent.asked[0].answer(FakeAnswer(200, length=10)).send(b"half")
        device.hang_up()
        self.assert_counted(INVENTORY)
        self.assertEqual(dict(self.site.statistics.broken_off), {Route.INVENTORY: 1})

    def test_unanswered(self) -> None:
        """One that was told nothing has no status."""
        device = self.device()
        device.ask(b"GET", API)
        device.hang_up()
        self.assert_counted(Exchange("GET", UNANSWERED, Route.INVENTORY))
        self.assertEqual(dict(self.site.statistics.broken_off), {Route.INVENTORY: 1})

    def test_made_up(self) -> None:
        """Methods and statuses that nobody knows are all one."""
        for method, status in ((b"BREW", 299), (b"SOAK", 998)):
            self.device().ask(method, API)
            self.agent.asked.pop().answer(FakeAnswer(status, length=0)).end()
        self.assertEqual(
            dict(self.site.statistics.exchanges), {Exchange("other", "other", Route.INVENTORY): 2}
        )


class BytesTests(SiteTestCase):
    """The bytes of answers."""

    def sent(self) -> dict[Exchange, int]:
        """Give those sent so far."""
        return dict(self.site.statistics.bytes_sent)

    def test_under_way(self) -> None:
        """They count as they are sent, and none of them twice."""
        self.device().ask(b"GET", API)
        self.assertEqual(self.sent(), {})
        answer = self.agent.asked[0].answer(FakeAnswer(200, length=10))
        answer.send(b"0123")
        self.assertEqual(self.sent(), {INVENTORY: 4})
        answer.send(b"456789")
        answer.end()
        self.assertEqual(self.sent(), {INVENTORY: 10})
        self.assertEqual(self.sent(), {INVENTORY: 10})

    def test_sum(self) -> None:
        """Those of all answers of a kind are added up."""
        for _ in range(2):
            self.device().ask(b"GET", API)
            answer = self.agent.asked.pop().answer(FakeAnswer(200, length=3))
            answer.send(b"012")
            answer.end()
        self.device().ask(b"GET", API)
        self.agent.asked.pop().answer(FakeAnswer(200, length=3)).send(b"0")
        self.assertEqual(self.sent(), {INVENTORY: 7})


class ConnectionTests(SiteTestCase):
    """Connections."""

    def test_surplus(self) -> None:
        """Those above the limit are counted, the others not."""
        for _ in range(LIMITS.max_connections):
            self.device()
        self.assertEqual(self.site.statistics.surplus, 0)
        self.site.buildProtocol(None)
        self.assertEqual(self.site.statistics.surplus, 1)
