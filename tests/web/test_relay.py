"""Tests of bodies that are passed on as they come."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.web.relay import Relay
from menderproxy.web.request import GatewayRequest
from tests.web.fakes import FakeBody, FakeRequest


class RelayTests(SynchronousTestCase):
    """One body from an upstream to a device."""

    def relay(self, length: int | None) -> Deferred[None]:
        """Start a body of which so many bytes were promised."""
        self.request = FakeRequest(Clock())
        self.body = FakeBody()
        relay = Relay(cast(GatewayRequest, self.request), self.body, 30, length)
        return Deferred.fromCoroutine(relay.run())

    def test_whole(self) -> None:
        """A whole body finishes the answer, whether its length was promised or not."""
        for length in (10, None):
            running = self.relay(length)
            self.body.send(b"01234", b"56789")
            self.assertFalse(self.request.finished)
            self.body.end()
            self.successResultOf(running)
            self.assertEqual(self.request.body, b"0123456789")
            self.assertTrue(self.request.finished)
            self.assertFalse(self.body.aborted)

    def test_broken(self) -> None:
        """A body that breaks off breaks the answer off."""
        running = self.relay(10)
        self.body.send(b"01234")
        self.body.break_off(OSError("cut"))
        self.failureResultOf(running, OSError)
        self.assertTrue(self.request.aborted)

    def test_not_as_promised(self) -> None:
        """So does one that has less bytes than the device was promised, or more."""
        for data, written in ((b"012345678", b"012345678"), (b"0123456789a", b"")):
            running = self.relay(10)
            self.body.send(data)
            self.body.end()
            self.failureResultOf(running, UpstreamUnavailable)
            self.assertEqual(self.request.body, written)
            self.assertTrue(self.request.aborted and self.body.aborted)
            self.assertFalse(self.request.finished)

    def test_backpressure(self) -> None:
        """A full connection pauses the upstream, an empty one lets it go on."""
        running = self.relay(None)
        self.request.full_after = 3
        self.body.send(b"012")
        self.assertFalse(self.body.paused)
        self.body.send(b"3")
        self.assertTrue(self.body.paused)
        self.request.producer.resumeProducing()
        self.assertFalse(self.body.paused)
        self.body.end()
        self.successResultOf(running)

    def test_device_gone(self) -> None:
        """A device that goes away drops the upstream, and nothing more is written."""
        running = self.relay(10)
        self.body.send(b"01234")
        self.request.producer.stopProducing()
        self.failureResultOf(running, CancelledError)
        self.assertTrue(self.body.aborted)
        assert self.body.sink is not None
        self.body.sink.body_data(b"late")
        self.body.sink.body_ended(certain=True)
        self.assertEqual(self.request.body, b"01234")
        self.assertFalse(self.request.finished)
