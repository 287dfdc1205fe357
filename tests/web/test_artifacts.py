"""Tests of artifacts from the cache: heads, ranges, and devices that follow a growing file."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred

from menderproxy.cache.errors import ArtifactChanged, ArtifactRefused
from tests.web.artifact_testcase import DATA, DATE, ETAG, HOLD, URL, ArtifactTestCase
from tests.web.device import Reply
from tests.web.fakes import META, FakeArtifact, FakeCache

BINARY = b"application/vnd.mender-artifact"


class WholeTests(ArtifactTestCase):
    """An artifact as a whole."""

    def assert_whole(self, reply: Reply) -> None:
        """All bytes came, with all that clients want to know of them."""
        self.assertEqual((reply.status, reply.body), (200, DATA))
        self.assertEqual(
            sorted(header for header in reply.headers if header[0] != b"Date"),
            [
                (b"Accept-Ranges", b"bytes"),
                (b"Content-Length", b"10"),
                (b"Content-Type", BINARY),
                (b"ETag", ETAG.encode()),
                (b"Last-Modified", DATE.encode()),
            ],
        )

    def test_get(self) -> None:
        """A good link gives the artifact with length, validators, and ranges on offer."""
        device = self.get()
        self.assert_whole(device.reply())
        self.assertEqual([str(url) for url in self.cache.opened], [str(URL)])
        self.assertTrue(self.artifact.closed and self.artifact.readers[0].closed)
        self.assertFalse(device.closed)

    def test_logged(self) -> None:
        """The log tells where it came from."""
        lines = self.watch_log()
        self.get()
        self.assertTrue(lines[-1].endswith(" route=artifact cache=joined"), lines)

    def test_old_version(self) -> None:
        """The same with HTTP/1.0, but for the connection."""
        reply = self.get(version=b"HTTP/1.0").reply()
        self.assertEqual((reply.body, reply[b"Connection"]), (DATA, b"close"))

    def test_head(self) -> None:
        """HEAD gives the same head, to which a range has no meaning, and reads no byte."""
        for headers in ((), ((b"Range", b"bytes=5-"),)):
            reply = self.get(*headers, method=b"HEAD").reply(to_head=True)
            self.assert_whole(attrs.evolve(reply, body=DATA))
        self.assertEqual(self.artifact.readers, [])
        self.assertTrue(self.artifact.closed)

    def test_no_range(self) -> None:
        """Several ranges, or what is none, give the whole."""
        for values in (
            [b"bytes=0-1,5-6"],
            [b"bytes=0-1", b"bytes=5-6"],
            [b"bytes=x-"],
            [b"bytes=5-3"],
            [b"lines=0-1"],
            [b""],
        ):
            self.assert_whole(self.get(*((b"Range", value) for value in values)).reply())

    def test_empty(self) -> None:
        """An artifact without bytes is an answer, too."""
        self.serve(FakeCache(FakeArtifact(b"")))
        reply = self.get().reply()
        self.assertEqual((reply.status, reply[b"Content-Length"]), (200, b"0"))

    def test_unknown_validators(self) -> None:
        """What the store did not say is not made up."""
        meta = attrs.evolve(META, etag=None, last_modified=None, content_type=None)
        self.serve(FakeCache(FakeArtifact(DATA, meta)))
        reply = self.get().reply()
        self.assertEqual((reply[b"ETag"], reply[b"Last-Modified"]), (None, None))
        self.assertEqual(reply[b"Content-Type"], BINARY)


class RangeTests(ArtifactTestCase):
    """A part of an artifact."""

    def test_parts(self) -> None:
        """A range gives exactly its bytes, and says which ones of how many."""
        for value, content_range, body in (
            (b"bytes=0-0", b"bytes 0-0/10", b"0"),
            (b"bytes=3-", b"bytes 3-9/10", b"3456789"),
            (b"bytes=3-5", b"bytes 3-5/10", b"345"),
            (b"bytes=3-9", b"bytes 3-9/10", b"3456789"),
            (b"bytes=3-99", b"bytes 3-9/10", b"3456789"),
            (b"bytes=-2", b"bytes 8-9/10", b"89"),
            (b"bytes=0-", b"bytes 0-9/10", DATA),
        ):
            reply = self.get((b"Range", value)).reply()
            self.assertEqual((reply.status, reply.body), (206, body), value)
            self.assertEqual(reply[b"Content-Range"], content_range)
            self.assertEqual(reply[b"Content-Length"], b"%d" % len(body))
            self.assertEqual(reply[b"ETag"], ETAG.encode())

    def test_beyond(self) -> None:
        """A range behind the last byte is told how many there are, and nothing else."""
        for value in (b"bytes=10-", b"bytes=10-20", b"bytes=-0"):
            reply = self.get((b"Range", value)).reply()
            self.assertEqual((reply.status, reply[b"Content-Range"]), (416, b"bytes */10"))
            self.assertEqual((reply[b"ETag"], reply[b"Accept-Ranges"]), (None, None))

    def test_if_range(self) -> None:
        """A range of what is another object by now gives the whole of that."""
        for validator, status in (
            (ETAG.encode(), 206),
            (DATE.encode(), 206),
            (b'"other"', 200),
            (b"W/" + ETAG.encode(), 200),
            (b"Tue, 14 Nov 2023 22:13:21 GMT", 200),
        ):
            reply = self.get((b"Range", b"bytes=5-"), (b"If-Range", validator)).reply()
            self.assertEqual(reply.status, status, validator)
            self.assertEqual(reply.body, DATA[5:] if status == 206 else DATA)

    def test_pipelined(self) -> None:
        """Thousands of small ranges may come on one connection."""
        device = self.device()
        for first in range(0, len(DATA), 2):
            device.ask(b"GET", self.link, (b"Range", b"bytes=%d-%d" % (first, first + 1)))
            self.assertEqual(device.reply().body, DATA[first : first + 2])
            device.forget_received()


class FollowingTests(ArtifactTestCase):
    """An artifact that is still being fetched."""

    def test_waits_for_head(self) -> None:
        """A device waits for an artifact of which nothing is known yet."""
        self.serve(FakeCache())
        device = self.get()
        self.pass_time(HOLD - 1)
        self.assertEqual((device.received, device.cut), (b"", False))
        self.cache.waiting.callback(self.artifact)
        self.assertEqual(device.reply().body, DATA)
        device.hang_up()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_waits_too_long(self) -> None:
        """But not for ever: then its connection is closed, and it tries again."""
        self.serve(FakeCache())
        device = self.get()
        self.pass_time(HOLD)
        self.assert_cut_without_answer(device)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_leaves_while_waiting(self) -> None:
        """A device that goes away waits no longer."""
        self.serve(FakeCache())
        cancelled: list[object] = []
        self.cache.waiting = Deferred(cancelled.append)
        self.get().hang_up()
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_leaves_half_way(self) -> None:
        """A device that goes away in mid-body leaves nothing open, and no error in the log."""
        self.artifact.readers_have = 4
        device = self.get()
        self.assertTrue(device.received.endswith(b"\r\n\r\n0123"))
        device.hang_up()
        self.assertTrue(self.artifact.closed and self.artifact.readers[0].closed)
        self.assertEqual([line for line in self.lines if "broken off" not in line], [])

    def test_no_more(self) -> None:
        """When no more bytes come the connection is cut, and never a part looks whole."""
        for error in (ArtifactChanged("changed"), ArtifactRefused(404)):
            self.artifact = FakeArtifact(DATA)
            self.artifact.readers_have = 4
            self.serve(FakeCache(self.artifact))
            device = self.get()
            growing = self.artifact.readers[0].growing
            assert growing is not None
            growing.errback(error)
            self.assertTrue(device.cut)
            self.assertTrue(device.received.endswith(b"\r\n\r\n0123"))
            self.assertTrue(self.artifact.closed)

    def test_each_for_itself(self) -> None:
        """A device that takes nothing slows none of the others."""
        self.artifact.readers_have = 4
        slow, fast = self.get(), self.get()
        slow.stop_reading()
        for reader in self.artifact.readers:
            reader.grow(10)
        self.assertEqual(fast.reply().body, DATA)
        self.assertTrue(slow.received.endswith(b"\r\n\r\n0123"))
        slow.read_on()
        self.assertEqual(slow.reply().body, DATA)

    def test_never_chunked(self) -> None:
        """A growing artifact has its length from the start: clients refuse one without."""
        self.artifact.readers_have = 4
        self.assertIn(b"\r\nContent-Length: 10\r\n", self.get().received)

    def test_stalled(self) -> None:
        """A device that takes nothing any more is cut off."""
        self.artifact.readers_have = 4
        device = self.get()
        device.stop_reading()
        self.pass_time(300)
        self.assertTrue(device.cut)
        self.assertTrue(self.artifact.readers[0].closed)
