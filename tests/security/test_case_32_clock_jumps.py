"""The machine's clock is set while the gateway runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import twisted.internet
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.python import log
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.refusal import Reason
from menderproxy.ops.timers import run_monotonically
from menderproxy.tap import Options, makeService
from tests.certificate_zoo import REFUSED
from tests.config.documents import SMALLEST
from tests.listen.test_handshake_matrix import Meeting


class TimerTests(SynchronousTestCase):
    """By which clock deadlines come."""

    def reactor(self) -> SelectReactor:
        """Make a reactor of the kind that processes have."""
        # It would install handlers for signals, and look for events, only when it runs.
        self.patch(log, "addObserver", lambda observer: None)
        return SelectReactor()

    def test_process(self) -> None:
        """The gateway's process has timers that do not look at the date."""
        reactor = self.reactor()
        self.patch(twisted.internet, "reactor", reactor)
        path = Path(self.mktemp())
        path.write_text(json.dumps(SMALLEST))
        options = Options()  # type: ignore[no-untyped-call]
        options.parseOptions(["--config", str(path)])  # type: ignore[no-untyped-call]
        makeService(options)
        self.assertIs(reactor.seconds, time.monotonic)

    def test_deadline(self) -> None:
        """A deadline is reckoned, moved and met by the clock that nobody sets."""
        reactor, now = self.reactor(), [1000.0]
        met: list[str] = []
        self.patch(time, "monotonic", lambda: now[0])
        run_monotonically(reactor)
        call = reactor.callLater(5, met.append, "met")
        self.assertEqual(call.getTime(), 1005.0)
        call.reset(7)
        for when, expected in ((1006.9, []), (1007.1, ["met"])):
            now[0] = when
            reactor.runUntilCurrent()
            self.assertEqual(met, expected)

    def test_too_late(self) -> None:
        """A reactor with a timer already, and one that only stands for it, keep their clocks."""
        busy, clock = self.reactor(), Clock()
        busy.callLater(5, list)
        for each in (busy, clock):
            before = each.seconds
            run_monotonically(each)
            self.assertEqual(each.seconds, before)


class DateTests(SynchronousTestCase):
    """What goes by the date."""

    def test_hint(self) -> None:
        """Who is refused because of the date is told to look at the clock as well."""
        meeting = Meeting(REFUSED[Reason.NOT_YET_VALID]["not_yet_valid"](), "1.3", "1.2")
        [detail] = meeting.details
        self.assertIn("not valid yet: is the clock right?", detail)
