"""What an agent counts: the bytes that came, and what went wrong."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from menderproxy.upstream.agent import Answer
from menderproxy.upstream.errors import BadRequestTarget, UpstreamError
from menderproxy.upstream.statistics import Trouble
from tests.network import Line
from tests.upstream.sink import Sink
from tests.upstream.testcase import TIMEOUTS, AgentTestCase
from tests.upstream.upgrade_testcase import UpgradeTestCase

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


class BytesTests(AgentTestCase):
    """The bytes of answers."""

    def answered(self, *segments: bytes) -> tuple[Line, Answer]:
        """Give a connection on which the upstream sent some segments, and the answer."""
        line, asked = self.accept_request()
        line.send(*segments)
        return line, self.successResultOf(asked)

    def test_body(self) -> None:
        """Bytes of bodies count as they come, those of heads do not."""
        line, answer = self.answered(HEAD + b"01234")
        answer.deliver(Sink())
        self.network.advance(0)
        self.assertEqual(self.agent.statistics.received, 5)
        line.send(b"56789")
        self.assertEqual(self.agent.statistics.received, 10)
        self.assertEqual(self.agent.statistics.troubles.total(), 0)


class TroubleTests(AgentTestCase):
    """What went wrong, each once."""

    def assert_counted(self, trouble: Trouble) -> None:
        """Assert that this is all that went wrong."""
        self.assertEqual(dict(self.agent.statistics.troubles), {trouble: 1})

    def assert_failed(self, asked: Deferred[Answer], trouble: Trouble) -> None:
        """Assert that a request got no answer, and that it was counted."""
        self.failureResultOf(asked, UpstreamError)
        self.assert_counted(trouble)

    def test_refused(self) -> None:
        """An upstream that can't be reached is unavailable."""
        asked = self.ask()
        self.network.refuse()
        self.network.advance(1)
        self.assert_failed(asked, Trouble.UNAVAILABLE)

    def test_unanswered(self) -> None:
        """One that hangs up without a word leaves a request unanswered."""
        line, asked = self.accept_request()
        line.hang_up()
        self.assert_failed(asked, Trouble.UNANSWERED)

    def test_no_connection_in_time(self) -> None:
        """One whose connection does not stand in time is late."""
        asked = self.ask()
        self.network.advance(TIMEOUTS.connect)
        self.assert_failed(asked, Trouble.TIMEOUT)

    def test_no_answer_in_time(self) -> None:
        """So is one that does not answer in time."""
        _, asked = self.accept_request()
        self.network.advance(TIMEOUTS.response)
        self.assert_failed(asked, Trouble.TIMEOUT)

    def test_broken_off(self) -> None:
        """One that hangs up within an answer breaks it off."""
        line, asked = self.accept_request()
        line.send(HEAD + b"012")
        self.successResultOf(asked).deliver(Sink())
        self.network.advance(0)
        line.hang_up()
        self.assert_counted(Trouble.BROKEN_OFF)

    def test_stalled(self) -> None:
        """One that falls silent within an answer is late."""
        line, asked = self.accept_request()
        line.send(HEAD + b"012")
        self.successResultOf(asked).deliver(Sink())
        self.network.advance(TIMEOUTS.idle)
        self.assert_counted(Trouble.TIMEOUT)

    def test_ours(self) -> None:
        """What is no fault of the upstream is not counted: a bad target, a device that left."""
        self.failureResultOf(self.ask(target=b"/ "), BadRequestTarget)
        line, asked = self.accept_request()
        asked.addErrback(lambda _: None)
        asked.cancel()
        line, asked = self.accept_request()
        line.send(HEAD + b"012")
        answer = self.successResultOf(asked)
        answer.deliver(Sink())
        self.network.advance(0)
        answer.abort()
        self.assertEqual(self.agent.statistics.troubles.total(), 0)

    def test_tried_again(self) -> None:
        """A request that was sent again with success has met no trouble."""
        line = self.idle_line()
        asked = self.ask()
        line.received()
        line.hang_up()
        self.network.accept().send(HEAD)
        self.successResultOf(asked).abort()
        self.assertEqual(self.agent.statistics.troubles.total(), 0)


class UpgradeTroubleTests(UpgradeTestCase):
    """Upgrades count as other requests do."""

    def test_unanswered(self) -> None:
        """An upgrade that nobody answers is counted."""
        line, asked = self.asked()
        line.hang_up()
        self.failureResultOf(asked, UpstreamError)
        self.assertEqual(self.agent.statistics.troubles.total(), 1)
