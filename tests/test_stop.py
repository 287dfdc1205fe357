"""A gateway stops without cutting off anybody who is done in time."""

from __future__ import annotations

from twisted.application.service import MultiService

from menderproxy.service import CLOSING_TIME
from tests.service_testcase import ALIVE, OK, POLL, PORT, READY, SECURE_PORT, ServiceTestCase


class StopTests(ServiceTestCase):
    """Nobody is cut off who is done in time."""

    def test_idle(self) -> None:
        """Without a request in progress it stops at once, and idle devices are told."""
        service = self.started()
        idle = self.ask("/")
        self.successResultOf(self.stop(service))
        self.assertEqual(self.network.open, {})
        self.assertTrue(idle.disconnecting)
        self.assertFalse(idle.aborted)

    def test_drained(self) -> None:
        """A request in progress is finished first."""
        service = self.started()
        device = self.ask(POLL)
        upstream = self.network.accept()
        stopping = self.stop(service)
        self.assertNoResult(stopping)
        upstream.send(OK)
        self.network.advance(0)
        head = device.received()
        self.assertTrue(head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"ok"))
        self.network.advance(0)
        self.successResultOf(stopping)

    def test_new_connections(self) -> None:
        """Meanwhile there is no TLS any more, and plain HTTP for probes only."""
        service = self.started(*self.secure())
        device = self.ask(POLL)
        stopping = self.stop(service)
        self.assertEqual(set(self.network.open), {PORT})
        self.assertEqual(self.status(ALIVE), 204)
        self.assertEqual(self.status(READY), 503)
        self.assertTrue(self.ask(POLL).aborted)
        silent = self.network.call(PORT)
        self.assertNoResult(stopping)
        device.hang_up()
        self.network.advance(0)
        self.successResultOf(stopping)
        self.assertTrue(silent.aborted)
        self.assertEqual(self.network.open, {})

    def test_delay(self) -> None:
        """For ``DrainDelay`` it serves on, though it is not ready: so balancers turn away first."""
        service = self.started(*self.secure(), ("Limits.DrainDelay", "5s"))
        stopping = self.stop(service)
        self.network.advance(4)
        self.assertEqual(self.status(READY), 503)
        device = self.ask(POLL)
        self.network.accept().send(OK)
        self.network.advance(0)
        self.assertTrue(device.received().startswith(b"HTTP/1.1 200 "))
        self.assertEqual(set(self.network.open), {PORT, SECURE_PORT})
        self.assertNoResult(stopping)
        self.network.advance(1)
        self.successResultOf(stopping)

    def test_limit(self) -> None:
        """A request that takes longer than ``DrainTimeout`` is cut off."""
        service = self.started(("Limits.DrainTimeout", "5s"))
        device = self.ask(POLL)
        stopping = self.stop(service)
        self.network.advance(4)
        self.assertNoResult(stopping)
        self.network.advance(1)
        self.network.advance(0)
        self.assertTrue(device.aborted)
        self.successResultOf(stopping)

    def test_haste(self) -> None:
        """Told to hasten, it waits for nobody any more, in the delay as later."""
        for waits in ({"Limits.DrainDelay": "1h"}, {"Limits.DrainTimeout": "1h"}):
            service = self.started(*waits.items())
            device = self.ask(POLL)
            self.network.accept()
            stopping = self.stop(service)
            self.network.advance(30)
            self.assertNoResult(stopping)
            service.hasten()
            self.network.advance(0)
            self.successResultOf(stopping)
            self.assertTrue(device.aborted)
            self.assertEqual(self.network.getDelayedCalls(), [])

    def test_no_haste(self) -> None:
        """That is for a gateway that is about to stop: to another one it means nothing."""
        service = self.started(("Limits.DrainTimeout", "5s"))
        device = self.ask(POLL)
        service.hasten()
        stopping = self.stop(service)
        self.network.advance(4)
        self.assertNoResult(stopping)
        self.assertFalse(device.aborted)
        self.network.advance(1)
        self.successResultOf(stopping)

    def test_longest_stop(self) -> None:
        """How long it may take is known before."""
        times = {"Limits.DrainDelay": "5s", "Limits.DrainTimeout": "10m"}
        self.assertEqual(self.gateway(*times.items()).longest_stop, 5 + 600 + CLOSING_TIME)

    def test_upstream_connections(self) -> None:
        """Connections to the Mender Server end with the gateway; no timer is left."""
        service = self.started()
        device = self.ask(POLL)
        upstream = self.network.accept()
        upstream.send(OK)
        self.network.advance(0)
        device.hang_up()
        self.assertTrue(upstream.connected)
        self.successResultOf(self.stop(service))
        self.assertFalse(upstream.connected)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_again(self) -> None:
        """A gateway that was stopped can be started again, and stopped again."""
        service = self.started()
        self.successResultOf(self.stop(service))
        service.startService()
        self.assertEqual(self.status(READY), 204)
        self.assertFalse(b"close" in self.ask("/").received())
        self.successResultOf(self.stop(service))

    def test_never_started(self) -> None:
        """A gateway that was never started can be stopped, and started later."""
        service = self.gateway()
        self.successResultOf(self.stop(service))
        service.startService()
        self.assertEqual(self.status(READY), 204)

    def test_within_another_application(self) -> None:
        """As a part of another service it starts and stops with it."""
        application = MultiService()
        self.gateway().setServiceParent(application)  # type: ignore[no-untyped-call]
        application.privilegedStartService()
        application.startService()
        self.assertEqual(self.status(ALIVE), 204)
        stopping = application.stopService()
        self.network.advance(0)
        self.successResultOf(stopping)
