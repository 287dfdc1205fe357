"""One connection's bytes on their way to the writer."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.inflow import HIGH_WATER, LOW_WATER, Inflow, InflowBroken
from menderproxy.cache.statistics import Statistics
from menderproxy.cache.writer import Writer
from tests.cache.fakes import FakeBody


class FakeWriter(Writer):
    """A writer that writes when the test says so."""

    def __init__(self, committed: int = 0):
        self.committed = self.taken = committed
        self.data = b""
        self.failure = None

    def write(self, data: bytes) -> None:
        """Take bytes."""
        self.data += data
        self.taken += len(data)

    def get_on(self, size: int) -> None:
        """Write so many bytes."""
        self.data = self.data[size:]
        self.committed += size


class InflowTests(SynchronousTestCase):
    """Taking a body."""

    def begin(self, length: int | None, committed: int = 0) -> Deferred[None]:
        """Begin to take one."""
        self.body = FakeBody()
        self.writer = FakeWriter(committed)
        self.inflow = Inflow(self.body, self.writer, length, Statistics())
        return Deferred.fromCoroutine(self.inflow.run())

    def test_complete(self) -> None:
        """A body that brings the object to its length is complete when it ends."""
        taking = self.begin(10, committed=3)
        self.body.send_other(b"3456")
        self.body.send_other(b"789")
        self.assertNoResult(taking)
        self.body.end()
        self.successResultOf(taking)
        self.assertEqual(self.writer.data, b"3456789")
        self.assertFalse(self.body.aborted)

    def test_short(self) -> None:
        """One that ends before is broken, however it ends."""
        for certain in (True, False):
            taking = self.begin(10)
            self.body.send_other(b"012345678")
            self.body.end(certain=certain)
            self.failureResultOf(taking, InflowBroken)

    def test_long(self) -> None:
        """One that goes on after the last byte is broken off; what is too much is not taken."""
        taking = self.begin(10, committed=3)
        self.body.send_other(b"34567890")
        self.failureResultOf(taking, InflowBroken)
        self.assertEqual(self.writer.data, b"")
        self.assertTrue(self.body.aborted)

    def test_cut(self) -> None:
        """A cut connection is a break."""
        taking = self.begin(10)
        self.body.send_other(b"0123")
        self.body.cut()
        self.assertEqual(str(self.failureResultOf(taking, InflowBroken).value), "cut")

    def test_unknown_length(self) -> None:
        """Without a length the end counts if it can't be a cut."""
        taking = self.begin(None)
        self.body.send_other(b"0123")
        self.body.end(certain=True)
        self.successResultOf(taking)
        taking = self.begin(None)
        self.body.send_other(b"0123")
        self.body.end(certain=False)
        self.failureResultOf(taking, InflowBroken)

    def test_uncertain_end(self) -> None:
        """With a length a closed connection is an end as good as any."""
        taking = self.begin(4)
        self.body.send_other(b"0123")
        self.body.end(certain=False)
        self.successResultOf(taking)

    def test_slow_disk(self) -> None:
        """The store is paused while the disk can't follow, and goes on when it has caught up."""
        self.begin(None)
        self.body.send_other(bytes(HIGH_WATER))
        self.assertFalse(self.body.paused)
        self.body.send_other(b"x")
        self.assertTrue(self.body.paused)
        self.writer.get_on(HIGH_WATER - LOW_WATER)
        self.inflow.written()
        self.assertTrue(self.body.paused)
        self.writer.get_on(1)
        self.inflow.written()
        self.assertFalse(self.body.paused)

    def test_disk_fails(self) -> None:
        """When the disk fails, the connection is dropped, and the writer knows why."""
        taking = self.begin(10)
        self.writer.failure = OSError()
        self.inflow.written()
        self.successResultOf(taking)
        self.assertTrue(self.body.aborted)

    def test_cancel(self) -> None:
        """Who waits no longer drops the connection, and nothing that comes later matters."""
        taking = self.begin(10)
        taking.cancel()
        self.failureResultOf(taking, CancelledError)
        self.assertTrue(self.body.aborted)
        self.inflow.body_broken(ConnectionError())
        self.inflow.written()
