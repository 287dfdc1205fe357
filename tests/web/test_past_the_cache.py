"""Tests of answers that the cache begins and its store finishes."""

from __future__ import annotations

import errno

import attrs

from menderproxy.cache.errors import CacheUnusable
from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.wire.remote import RemoteObject
from tests.web.artifact_testcase import DATA, URL, ArtifactTestCase, whole
from tests.web.device import Device
from tests.web.fakes import FakeAnswer, FakeCache, FakeReader, FakeStores

FULL = CacheUnusable("No space left on device")


class PastTheCacheTests(ArtifactTestCase):
    """The disk fails in the middle of an artifact."""

    def fails(
        self, remote: RemoteObject, answer: FakeAnswer, *headers: tuple[bytes, bytes]
    ) -> tuple[Device, FakeReader]:
        """Let a device get four bytes from the cache, whose disk then fails."""
        self.stores = FakeStores((remote, answer))
        self.artifact.readers_have = 4
        self.serve(FakeCache(self.artifact))
        device = self.get(*headers)
        reader = self.artifact.readers[-1]
        assert reader.growing is not None
        reader.growing.errback(FULL)
        return device, reader

    def test_finished(self) -> None:
        """The device gets the rest from the store, on the same answer, and notices nothing."""
        answer = FakeAnswer(206, length=6)
        device, reader = self.fails(whole(status=206, first=4), answer)
        self.assertEqual(self.stores.asked, [(URL, b"bytes=4-9")])
        answer.send(DATA[4:])
        answer.end()
        reply = device.reply()
        self.assertEqual((reply.status, reply.body), (200, DATA))
        self.assertFalse(device.cut)
        self.assertTrue(reader.closed)

    def test_part_finished(self) -> None:
        """A part ends where the device asked it to."""
        answer = FakeAnswer(206, length=4)
        device, _ = self.fails(whole(status=206, first=4), answer, (b"Range", b"bytes=2-7"))
        self.assertEqual(self.stores.asked, [(URL, b"bytes=4-7")])
        answer.send(DATA[4:8])
        answer.end()
        reply = device.reply()
        self.assertEqual((reply.status, reply.body), (206, DATA[2:8]))

    def test_read_error(self) -> None:
        """The same when bytes that lie on the disk can't be read any more."""
        answer = FakeAnswer(206, length=10)
        self.stores = FakeStores((whole(status=206, first=0), answer))
        self.serve(FakeCache(self.artifact))
        device = self.device()
        reader = FakeReader(DATA)
        reader.cold = True
        self.artifact.reader = lambda first, last: reader  # type: ignore[method-assign, assignment, return-value]
        device.ask(b"GET", self.link)
        assert reader.reading is not None
        reader.reading.errback(OSError(errno.EIO, "Input/output error"))
        answer.send(DATA)
        answer.end()
        self.assertEqual(device.reply().body, DATA)

    def test_another_object(self) -> None:
        """When the store has another object now, the device is cut off: nothing is mixed."""
        for other in (
            attrs.evolve(whole(status=206, first=4), etag='"other"'),
            attrs.evolve(whole(status=206, first=4), length=11),
            whole(status=206, first=5),
            whole(),
        ):
            answer = FakeAnswer(other.status, length=6)
            device, _ = self.fails(other, answer)
            self.assertTrue(answer.aborted)
            self.assertTrue(device.cut)
            self.assertNotIn(DATA[4:], device.received)

    def test_store_breaks(self) -> None:
        """When the store breaks off as well, the device is cut off."""
        answer = FakeAnswer(206, length=6)
        device, _ = self.fails(whole(status=206, first=4), answer)
        answer.send(DATA[4:6])
        answer.break_off(UpstreamUnavailable("cut"))
        self.assertTrue(device.cut)
