"""What every answer's body has in common on its last yards: the device's connection."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from menderproxy.web.request import GatewayRequest


class DeviceStalled(Exception):
    """The device takes no bytes any more."""


@implementer(IPushProducer)
class Outflow:
    """
    Writes a body to a device at the device's pace, and never gives a part a whole's end.

    Subclasses fill in :meth:`start`, :meth:`hold_back`, :meth:`go_on` and :meth:`drop`.

    :param stall: seconds within which the device has to take what its connection can buffer.
    """

    def __init__(self, request: GatewayRequest, stall: float):
        self.request = request
        self.over = False
        self._stall = stall
        self._timer: IDelayedCall | None = None
        self._done: Deferred[None] = Deferred(lambda _: self.give_up(CancelledError()))

    async def run(self) -> None:
        """
        Write the body to its end; the head must have been set, and nothing written yet.

        If it breaks off, so does the device's connection: to finish the answer would make a
        part look whole.

        :raises DeviceStalled: the device takes nothing.
        :raises Exception: why the body broke off.
        """
        self.request.registerProducer(self, True)
        self.start()
        await self._done

    def start(self) -> None:
        """Begin to write."""
        raise NotImplementedError

    def hold_back(self) -> None:
        """The device can't follow. May be said again."""
        raise NotImplementedError

    def go_on(self) -> None:
        """The device can take more."""
        raise NotImplementedError

    def drop(self) -> None:
        """The rest is not wanted any more."""
        raise NotImplementedError

    def finished(self) -> None:
        """Every byte is written."""
        if self._end():
            self.request.finish()
            self._done.callback(None)

    def give_up(self, reason: Exception) -> None:
        """Break off: the device's connection is cut."""
        if self._end():
            self.drop()
            self.request.abort()
            self._done.errback(reason)

    def hand_over(self, reason: Exception) -> None:
        """Break off, but leave the connection to whoever can go on with the same body."""
        if self._end():
            self.drop()
            self._done.errback(reason)

    def progress(self) -> None:
        """The device takes bytes of what its connection has."""
        if self._timer is not None:
            self._timer.reset(self._stall)

    def pauseProducing(self) -> None:
        """Called by the device's connection, with every write while its buffer is full."""
        if not self.over:
            if self._timer is None:
                clock = self.request.site.reactor
                self._timer = clock.callLater(self._stall, self._stalled)
            self.hold_back()

    def resumeProducing(self) -> None:
        """Called by the device's connection when its buffer is empty."""
        self._stop_timer()
        if not self.over:
            self.go_on()

    def stopProducing(self) -> None:
        """Called by the device's connection when it is gone."""
        self.give_up(CancelledError())

    def _stalled(self) -> None:
        self._timer = None
        self.give_up(DeviceStalled(f"the device takes nothing any more ({self._stall:g} s)"))

    def _end(self) -> bool:
        if self.over:
            return False
        self.over = True
        self._stop_timer()
        if self.request.is_open:
            self.request.unregisterProducer()
        return True

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
