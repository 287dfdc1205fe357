"""How devices take what they download: some are slow, some go away, some fall asleep."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import attrs
from twisted.internet.interfaces import IDelayedCall, IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse


@attrs.frozen
class Habit:
    """
    How one download is taken.

    :param rate: bytes a second, ``None`` for as fast as it can.
    :param quits_after: bytes after which the connection is cut.
    :param sleeps_after: bytes after which nothing is taken for *sleep* seconds.
    """

    rate: float | None = None
    quits_after: int | None = None
    sleeps_after: int | None = None
    sleep: float = 0.0


STEADY = Habit()

LONGEST_SLEEP = 12.0
"""
Seconds; less than a revoked device may take to be cut.

When it wakes up it takes what lies in its own socket, which nobody can take back.
"""


def any_habit(dice: Random, length: int) -> Habit:
    """
    Choose one; most devices are steady.

    :param length: of what is downloaded, in bytes.
    """
    number = dice.random()
    if number < 0.6:
        return STEADY
    if number < 0.8:
        return Habit(rate=length / dice.uniform(3, 20))
    amount = int(dice.uniform(0, 0.9) * length)
    if number < 0.93:
        return Habit(quits_after=amount)
    return Habit(sleeps_after=amount, sleep=dice.uniform(2, LONGEST_SLEEP))


class HabitualResponse(proxyForInterface(IResponse)):  # type: ignore[misc]
    """
    A response whose body is taken in some way.

    :param abort: cuts its connection.
    :param taken: told of each piece of the body, before anybody else.
    """

    def __init__(
        self,
        response: IResponse,
        habit: Habit,
        clock: Any,
        abort: Callable[[], None],
        taken: Callable[[bytes], object],
    ):
        super().__init__(response)
        self._habit = habit
        self._clock = clock
        self._abort = abort
        self._taken = taken

    def deliverBody(self, protocol: IProtocol) -> None:
        """Have the body delivered."""
        reader = _Reader(protocol, self._habit, self._clock, self._abort, self._taken)
        self.original.deliverBody(reader)


class _Reader(Protocol):
    transport: Any

    def __init__(
        self,
        receiver: IProtocol,
        habit: Habit,
        clock: Any,
        abort: Callable[[], None],
        taken: Callable[[bytes], object],
    ):
        self._receiver = receiver
        self._habit = habit
        self._clock = clock
        self._abort = abort
        self._taken = taken
        self._count = 0
        self._slept = False
        self._pause: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._receiver.makeConnection(self.transport)
        if self._habit.quits_after == 0:
            self._abort()

    def dataReceived(self, data: bytes) -> None:
        self._count += len(data)
        self._taken(data)
        self._receiver.dataReceived(data)
        habit = self._habit
        if habit.quits_after is not None and self._count >= habit.quits_after:
            self._abort()
        elif habit.sleeps_after is not None and self._count >= habit.sleeps_after:
            self._sleep()
        elif habit.rate is not None:
            self._take_nothing_for(len(data) / habit.rate)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        self._receiver.connectionLost(reason)

    def _sleep(self) -> None:
        if not self._slept:
            self._slept = True
            self._take_nothing_for(self._habit.sleep)

    def _take_nothing_for(self, seconds: float) -> None:
        if self._pause is None or not self._pause.active():
            self.transport.pauseProducing()
            self._pause = self._clock.callLater(seconds, self._go_on)

    def _go_on(self) -> None:
        self.transport.resumeProducing()
