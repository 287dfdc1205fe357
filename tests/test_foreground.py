"""The gateway as the only thing in its process: its log, its signals, and who supervises it."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable
from typing import Any, cast

from twisted.application.service import Application, IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, Logger, LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.endpoints import ListenError
from menderproxy.ops.logs import observer
from menderproxy.ops.supervisor import Supervisor
from menderproxy.tap import Foreground


class Part(Service):
    """
    A gateway that may not start.

    :ivar asked: what it was asked to do.
    :ivar under_way: fires when that is done.
    """

    longest_stop = 40.0

    def __init__(self, *, privileged: Exception | None = None, start: Exception | None = None):
        self._errors = {"privileged": privileged, "start": start}
        self.log = Logger("menderproxy")
        self.asked: list[str] = []
        self.under_way: Deferred[None] = Deferred()

    def stopService(self) -> Deferred[None]:
        """Take as long as the test wants."""
        self.asked.append("stop")
        return self.under_way

    def reload(self) -> Deferred[None]:
        """Take as long as the test wants."""
        self.asked.append("reload")
        return self.under_way

    def hasten(self) -> None:
        """Keep in mind."""
        self.asked.append("hasten")

    def privilegedStartService(self) -> None:
        """Start, or not."""
        self._maybe_fail("privileged")

    def startService(self) -> None:
        """Start, or not."""
        self._maybe_fail("start")

    def _maybe_fail(self, what: str) -> None:
        error = self._errors[what]
        if error is not None:
            raise error


class Reports(Supervisor):
    """
    A supervisor.

    :ivar told: what it was told.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[str] = []

    def ready(self) -> None:
        """Keep in mind."""
        self.told.append("ready")

    def reloading(self) -> None:
        """Keep in mind."""
        self.told.append("reloading")

    def stopping(self, longest: float) -> None:
        """Keep in mind."""
        self.told.append(f"stopping within {longest:g} s")

    def watch(self) -> None:
        """Keep in mind."""
        self.told.append("watch")

    def unwatch(self) -> None:
        """Keep in mind."""
        self.told.append("unwatch")


class Reactor(MemoryReactorClock):
    """A reactor that does at once what it is asked to from a signal."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        """Do it."""
        callable(*args)


class ForegroundTestCase(SynchronousTestCase):
    """Has a part as the only thing in its process."""

    def setUp(self) -> None:
        """Have a terminal, a reactor and a supervisor."""
        self.logged = io.StringIO()
        self.patch(sys, "stderr", self.logged)
        self.reactor = Reactor()
        self.supervisor = Reports()

    def foreground(self, part: Service, level: str = "info") -> Foreground:
        """Make the process of a part."""
        errors = (ListenError,)
        log = observer(level)
        return Foreground(self.reactor, cast(Any, part), log, self.supervisor, errors)

    def application(self, part: Service, level: str = "info") -> Any:
        """Make an application as twistd does."""
        application = Application("mender-gateway")
        self.foreground(part, level).setServiceParent(application)
        return application


class ForegroundTests(ForegroundTestCase):
    """What of its process is the gateway's, and what it says there."""

    def test_refused(self) -> None:
        """What keeps the gateway from starting is one line."""
        error = ListenError("HTTP.Listen: :80: Permission denied")
        for part, start in (
            (Part(privileged=error), "privilegedStartService"),
            (Part(start=error), "startService"),
        ):
            service = cast(Any, IService(self.application(part)))
            with capturedLogs() as events:
                self.assertEqual(self.assertRaises(SystemExit, getattr(service, start)).code, 1)
            [event] = events
            self.assertEqual(formatEvent(event), "HTTP.Listen: :80: Permission denied")
            # Not to be missed, whatever level is asked for.
            self.assertEqual(event["log_level"], LogLevel.critical)
        self.assertEqual(self.supervisor.told, [])

    def test_a_bug(self) -> None:
        """What nobody foresaw keeps its traceback."""
        service = IService(self.application(Part(start=ValueError("bug"))))
        self.assertRaises(ValueError, service.startService)

    def test_log(self) -> None:
        """The process logs in our form, to standard error, from the level that was asked for."""
        log = ILogObserver(self.application(Part(), "warn"))
        for level in (LogLevel.info, LogLevel.warn):
            log({"log_level": level, "log_namespace": "x", "log_time": 0.0, "log_format": "hi"})
        self.assertEqual(
            self.logged.getvalue(), 'time="1970-01-01T00:00:00Z" level=warning msg="hi"\n'
        )

    def test_within_another_service(self) -> None:
        """A parent that has no log of its own to be set is fine."""
        parent = MultiService()
        self.foreground(Part()).setServiceParent(parent)
        self.assertEqual(len(parent.services), 1)


class SignalTests(ForegroundTestCase):
    """What the process does when it is told something, and what it reports."""

    def setUp(self) -> None:
        """Start the process, but not its reactor; it gets no real signals."""
        super().setUp()
        self.signals: dict[int, Any] = {
            number: lambda number, frame: self.reactor.stop()
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        self.patch(signal, "signal", self.signals.__setitem__)
        self.patch(signal, "getsignal", self.signals.__getitem__)
        self.part = Part()
        self.process = self.foreground(self.part)

    def start(self) -> None:
        """Start it all; when the reactor stops, so does the process."""
        self.process.startService()
        self.reactor.run()
        self.supervisor.told.clear()
        self.patch(self.reactor, "stop", self.process.stopService)

    def raise_signal(self, number: signal.Signals) -> None:
        """Let a signal come in."""
        self.signals[number](number, None)

    def test_ready(self) -> None:
        """It reports that it is ready once the reactor runs, and signs of life from then on."""
        self.process.startService()
        self.assertEqual(self.supervisor.told, [])
        self.reactor.run()
        self.assertEqual(self.supervisor.told, ["ready", "watch"])

    def test_reload(self) -> None:
        """SIGHUP reloads, which is reported at both ends."""
        self.start()
        self.raise_signal(signal.SIGHUP)
        self.assertEqual((self.part.asked, self.supervisor.told), (["reload"], ["reloading"]))
        self.part.under_way.callback(None)
        self.assertEqual(self.supervisor.told, ["reloading", "ready"])

    def test_failing_reload(self) -> None:
        """One that fails ends as well, and is logged."""
        self.start()
        with capturedLogs() as events:
            self.raise_signal(signal.SIGHUP)
            self.part.under_way.errback(ValueError("bug"))
        self.assertIsInstance(events[-1]["log_failure"].value, ValueError)
        self.assertEqual(self.supervisor.told, ["reloading", "ready"])
        self.flushLoggedErrors(ValueError)

    def test_early_hangup(self) -> None:
        """SIGHUP reloads even before the reactor runs, instead of ending the process."""
        self.process.startService()
        self.raise_signal(signal.SIGHUP)
        self.assertEqual(self.part.asked, ["reload"])

    def test_stop(self) -> None:
        """The first SIGTERM or SIGINT stops it; that is reported, signs of life go on till then."""
        self.start()
        self.raise_signal(signal.SIGTERM)
        self.assertEqual(self.part.asked, ["stop"])
        self.assertEqual(self.supervisor.told, ["stopping within 40 s"])
        self.part.under_way.callback(None)
        self.assertEqual(self.supervisor.told, ["stopping within 40 s", "unwatch"])

    def test_again(self) -> None:
        """Another one, whichever, makes it hasten."""
        self.start()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            self.raise_signal(number)
        self.assertEqual(self.part.asked, ["stop", "hasten", "hasten"])

    def test_again_at_once(self) -> None:
        """So it does when the reactor has not even begun to stop."""
        self.start()
        self.patch(self.reactor, "stop", lambda: None)
        for _ in range(2):
            self.raise_signal(signal.SIGTERM)
        self.assertEqual(self.part.asked, ["hasten"])

    def test_ignored(self) -> None:
        """A signal that whoever started the process wants to be ignored stays so."""
        self.signals[signal.SIGINT] = signal.SIG_IGN
        self.start()
        self.assertEqual(self.signals[signal.SIGINT], signal.SIG_IGN)

    def test_hangup_at_the_end(self) -> None:
        """While it stops nothing is reloaded, and nothing reported to be ready."""
        self.start()
        self.raise_signal(signal.SIGHUP)
        self.raise_signal(signal.SIGTERM)
        self.raise_signal(signal.SIGHUP)
        self.part.under_way.callback(None)
        self.assertEqual(self.part.asked, ["reload", "stop"])
        self.assertNotIn("ready", self.supervisor.told)
