"""Tests of what all answers' bodies have in common."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.web.outflow import DeviceStalled, Outflow
from menderproxy.web.request import GatewayRequest
from tests.web.fakes import FakeRequest

STALL = 30


class Recorded(Outflow):
    """Remembers what it was told."""

    def __init__(self, request: GatewayRequest, stall: float):
        super().__init__(request, stall)
        self.told: list[str] = []

    def start(self) -> None:
        """Begin."""
        self.told.append("start")

    def hold_back(self) -> None:
        """Pause."""
        self.told.append("hold back")

    def go_on(self) -> None:
        """Go on."""
        self.told.append("go on")

    def drop(self) -> None:
        """Stop."""
        self.told.append("drop")


class OutflowTests(SynchronousTestCase):
    """One body on its way."""

    def setUp(self) -> None:
        """Start a body."""
        self.clock = Clock()
        self.request = FakeRequest(self.clock)
        self.outflow = Recorded(cast(GatewayRequest, self.request), STALL)
        self.running: Deferred[None] = Deferred.fromCoroutine(self.outflow.run())

    def tearDown(self) -> None:
        """However it ended, no timer is left."""
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_finished(self) -> None:
        """A body that was written to its end finishes the answer, once."""
        self.assertIs(self.request.producer, self.outflow)
        self.assertNoResult(self.running)
        self.outflow.finished()
        self.outflow.finished()
        self.outflow.give_up(OSError())
        self.successResultOf(self.running)
        self.assertTrue(self.request.finished)
        self.assertFalse(self.request.aborted)
        self.assertEqual(self.outflow.told, ["start"])

    def test_given_up(self) -> None:
        """One that is given up cuts the connection, and never finishes the answer."""
        self.outflow.give_up(OSError("cut"))
        self.outflow.give_up(OSError("again"))
        self.outflow.finished()
        self.failureResultOf(self.running, OSError)
        self.assertTrue(self.request.aborted)
        self.assertFalse(self.request.finished)
        self.assertIsNone(self.request.producer)
        self.assertEqual(self.outflow.told, ["start", "drop"])

    def test_device_gone(self) -> None:
        """When the device goes away the body is dropped."""
        self.outflow.pauseProducing()
        self.outflow.stopProducing()
        self.failureResultOf(self.running, CancelledError)
        self.assertEqual(self.outflow.told[-1], "drop")

    def test_device_gone_before(self) -> None:
        """There is nobody to unregister from when the request has lost its connection."""
        self.request.is_open = False
        self.outflow.give_up(OSError("cut"))
        self.failureResultOf(self.running, OSError)
        self.assertIs(self.request.producer, self.outflow)

    def test_cancelled(self) -> None:
        """Who stops waiting gives it up."""
        self.running.cancel()
        self.failureResultOf(self.running, CancelledError)
        self.assertTrue(self.request.aborted)
        self.assertEqual(self.outflow.told, ["start", "drop"])

    def test_backpressure(self) -> None:
        """The device's connection says when it is full, also repeatedly, and when it is empty."""
        for _ in range(3):
            self.outflow.pauseProducing()
        self.outflow.resumeProducing()
        self.assertEqual(self.outflow.told, ["start", *["hold back"] * 3, "go on"])
        self.clock.advance(STALL * 10)
        self.assertFalse(self.request.aborted)

    def test_stalled(self) -> None:
        """A device that takes nothing for too long is cut off, however often it is written to."""
        self.outflow.pauseProducing()
        self.clock.advance(STALL - 1)
        self.outflow.pauseProducing()
        self.assertNoResult(self.running)
        self.clock.advance(1)
        self.failureResultOf(self.running, DeviceStalled)
        self.assertTrue(self.request.aborted)
        self.assertEqual(self.outflow.told[-1], "drop")

    def test_slow(self) -> None:
        """A device that takes something now and then has the whole time again."""
        for _ in range(5):
            self.outflow.pauseProducing()
            self.clock.advance(STALL - 1)
            self.outflow.resumeProducing()
        self.assertNoResult(self.running)

    def test_after_the_end(self) -> None:
        """What the connection says after the end does nothing."""
        self.outflow.finished()
        self.outflow.pauseProducing()
        self.outflow.resumeProducing()
        self.outflow.stopProducing()
        self.assertEqual(self.outflow.told, ["start"])
        self.assertFalse(self.request.aborted)
