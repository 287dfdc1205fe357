"""A number that nobody can tell at once: it is looked up now and then instead."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

INTERVAL = 10.0


class Sample(Service):
    """
    The last known value of a number.

    :param look_up: fires with it.
    :ivar value: ``None`` while it is not known, as before the first time and after a failure.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, look_up: Callable[[], Deferred[int]]):
        self.value: float | None = None
        self._clock = clock
        self._look_up = look_up
        self._looking = False
        self._call: IDelayedCall | None = None

    def startService(self) -> None:
        """Look it up now, and again and again."""
        super().startService()  # type: ignore[no-untyped-call]
        if not self._looking:
            self._look()

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._call = None
        self._looking = True
        self._look_up().addCallbacks(self._found, self._failed).addBoth(self._looked)

    def _found(self, value: float) -> None:
        self.value = value

    def _failed(self, failure: Failure) -> None:
        self.value = None
        self.log.debug("no sample: {why}", why=failure.getErrorMessage())

    def _looked(self, _: None) -> None:
        self._looking = False
        # Not before it is found: work that hangs must not pile up.
        if self.running:
            self._call = self._clock.callLater(INTERVAL, self._look)
