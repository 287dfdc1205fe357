"""Tests of demo.artifact_store, and of the faults and the pacing that it uses."""

from __future__ import annotations

import hashlib

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.demo.artifact_store import UPLOADED_BEFORE, DemoArtifactStore, StoreRequest
from menderproxy.demo.faults import Changed, Cut, NoLength, Refuse, Stall, Whole
from tests.demo.conversation import Conversation, Reply

_BASE = "https://store.example"
_SIZE = 200_000


class StoreTestCase(SynchronousTestCase):
    """A store with one object, and one connection to it."""

    rate: float | None = None

    def setUp(self) -> None:
        """Store an object of made-up bytes."""
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.store = DemoArtifactStore(self.clock, rate=self.rate)
        self.object = self.store.put("bucket/one", _SIZE)
        self.data = self.object.content.read(0, _SIZE)
        self.conversation = Conversation(self.store, self.clock)

    def target(self, key: str = "bucket/one") -> str:
        """Make a fresh link, without scheme and host."""
        return self.store.presign(_BASE, key, 60).removeprefix(_BASE)

    def get(self, **headers: str) -> Reply:
        """Get the object with a fresh link."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.conversation.ask("GET", self.target(), named)


class ServingTests(StoreTestCase):
    """Answers when all is well."""

    def test_whole(self) -> None:
        """A GET gets all of the object, with its length, ETag and date."""
        reply = self.get()
        self.assertEqual((reply.status, reply.body), (200, self.data))
        self.assertEqual(reply.headers["content-length"], str(_SIZE))
        self.assertEqual(reply.headers["etag"], self.object.etag)
        self.assertEqual(reply.headers["accept-ranges"], "bytes")
        self.assertEqual(reply.headers["last-modified"], "Tue, 14 Nov 2023 22:12:20 GMT")

    def test_dates(self) -> None:
        """Objects are dated by a clock of their own, if there is one."""
        store = DemoArtifactStore(self.clock, now=lambda: UPLOADED_BEFORE)
        store.put("old", 1)
        target = store.presign(_BASE, "old", 60).removeprefix(_BASE)
        reply = Conversation(store, self.clock).ask("GET", target)
        self.assertEqual(reply.headers["last-modified"], "Thu, 01 Jan 1970 00:00:00 GMT")

    def test_ranges(self) -> None:
        """Each kind of single range gets exactly its bytes."""
        for wanted, first, end in (
            ("bytes=0-0", 0, 1),
            ("bytes=1000-", 1000, _SIZE),
            ("bytes=5-99999999", 5, _SIZE),
            ("bytes=-7", _SIZE - 7, _SIZE),
            ("bytes=-999999", 0, _SIZE),
        ):
            reply = self.get(Range=wanted)
            self.assertEqual((reply.status, reply.body), (206, self.data[first:end]), wanted)
            self.assertEqual(
                reply.headers["content-range"], f"bytes {first}-{end - 1}/{_SIZE}", wanted
            )

    def test_unsatisfiable(self) -> None:
        """A range behind the end is told how long the object is."""
        for wanted in (f"bytes={_SIZE}-", "bytes=-0", "bytes=9-8"):
            reply = self.get(Range=wanted)
            self.assertEqual(reply.status, 416, wanted)
            self.assertEqual(reply.headers["content-range"], f"bytes */{_SIZE}")

    def test_odd_ranges(self) -> None:
        """Several ranges at once, and what is no range at all, get the whole object."""
        for wanted in ("bytes=0-1,5-6", "bytes=-", "lines=1-2"):
            reply = self.get(Range=wanted)
            self.assertEqual((reply.status, reply.body), (200, self.data), wanted)

    def test_missing(self) -> None:
        """A signed link to an object that is not there gets a 404."""
        reply = self.conversation.ask("GET", self.target("bucket/none"))
        self.assertEqual(reply.status, 404)
        self.assertIn(b"<Code>NoSuchKey</Code>", reply.body)

    def test_put_bytes(self) -> None:
        """The ETag of given bytes is their MD5."""
        stored = self.store.put_bytes("bucket/two", b"some bytes")
        reply = self.conversation.ask("GET", self.target("bucket/two"))
        self.assertEqual(reply.body, b"some bytes")
        self.assertEqual(stored.etag, f'"{hashlib.md5(b"some bytes").hexdigest()}"')
        self.assertEqual(stored.sha256(), hashlib.sha256(b"some bytes").hexdigest())

    def test_records(self) -> None:
        """Each request is written down without the secrets in its query."""
        self.get(Range="bytes=0-9")
        self.get()
        self.assertEqual(
            self.store.requests,
            [
                StoreRequest("GET", "/bucket/one", "bytes=0-9", 206, 10),
                StoreRequest("GET", "/bucket/one", None, 200, _SIZE),
            ],
        )
        self.assertEqual(self.store.bytes_sent, _SIZE + 10)


class RefusingTests(StoreTestCase):
    """Requests that a store refuses."""

    def assert_refused(self, reply: Reply, status: int = 403) -> None:
        """Check for an XML error and no byte of the object."""
        self.assertEqual(reply.status, status)
        self.assertEqual(reply.headers["content-type"], "application/xml")
        self.assertEqual(self.store.bytes_sent, 0)

    def test_unsigned(self) -> None:
        """A request without a signature is refused."""
        self.assert_refused(self.conversation.ask("GET", "/bucket/one"))

    def test_head(self) -> None:
        """A HEAD with a link for GET is refused."""
        self.assertEqual(self.conversation.ask("HEAD", self.target()).status, 403)

    def test_expired(self) -> None:
        """An old link is refused."""
        target = self.target()
        self.clock.advance(60)
        self.assert_refused(Conversation(self.store, self.clock).ask("GET", target))

    def test_forwarded_host(self) -> None:
        """A forwarded host name spoils the signature."""
        self.assert_refused(self.get(X_Forwarded_Host="gateway.example"))

    def test_authorization(self) -> None:
        """A device's token beside the signature is refused."""
        self.assert_refused(self.get(Authorization="Bearer x"), 400)


class FaultTests(StoreTestCase):
    """Faults on demand."""

    def test_once(self) -> None:
        """A fault concerns one request; the next one is answered as ever."""
        self.store.faults = [Refuse(503, retry_after=7)]
        reply = self.get()
        self.assertEqual((reply.status, reply.headers["retry-after"]), (503, "7"))
        self.assertEqual(self.get().status, 200)

    def test_cut(self) -> None:
        """A cut sends the given number of bytes and then aborts the connection."""
        self.store.faults = [Cut(after=70_000)]
        reply = self.get(Range="bytes=100-")
        self.assertEqual(reply.body, self.data[100:70_100])
        self.assertEqual(reply.headers["content-length"], str(_SIZE - 100))
        self.assertFalse(self.conversation.transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(self.conversation.transport.disconnected)

    def test_stall(self) -> None:
        """A stall sends the headers and some bytes and leaves the connection open."""
        for after in (0, 10):
            conversation = Conversation(self.store, self.clock)
            self.store.faults = [Stall(after=after)]
            reply = conversation.ask("GET", self.target())
            self.clock.advance(1000)
            self.assertEqual((reply.status, conversation.read().body), (200, self.data[:after]))
            self.assertFalse(conversation.transport.disconnected)

    def test_no_length(self) -> None:
        """Without a length the body comes chunked, and complete."""
        self.store.faults = [NoLength()]
        reply = self.get()
        self.assertNotIn("content-length", reply.headers)
        self.assertEqual(reply.headers["transfer-encoding"], "chunked")
        self.assertTrue(reply.body.endswith(b"\r\n0\r\n\r\n"))
        self.assertEqual(self.store.bytes_sent, _SIZE)

    def test_whole(self) -> None:
        """A range is ignored."""
        self.store.faults = [Whole()]
        reply = self.get(Range="bytes=100-")
        self.assertEqual((reply.status, reply.body), (200, self.data))

    def test_changed(self) -> None:
        """An object changes for good: other bytes, other ETag, other length."""
        self.store.faults = [Changed(length=5000)]
        reply = self.get(Range="bytes=4000-")
        self.assertEqual(reply.headers["content-range"], "bytes 4000-4999/5000")
        self.assertNotEqual(reply.headers["etag"], self.object.etag)
        self.assertNotEqual(reply.body, self.data[4000:5000])
        self.assertEqual(self.get().headers["content-length"], "5000")

    def test_changed_in_place(self) -> None:
        """An object may change and keep its length."""
        self.store.faults = [Changed()]
        reply = self.get()
        self.assertEqual(len(reply.body), _SIZE)
        self.assertNotEqual(reply.body, self.data)
        self.assertEqual(reply.headers["last-modified"], "Tue, 14 Nov 2023 22:13:20 GMT")


class PacingTests(StoreTestCase):
    """The thin WAN, at 10,000 bytes a second."""

    rate = 10_000.0

    def received(self, conversation: Conversation) -> int:
        """Count the bytes of the body so far."""
        return len(conversation.read().body)

    def assert_received(self, conversation: Conversation, expected: int) -> None:
        """Check the bytes so far against what the rate allows, give or take two chunks."""
        self.assertIn(self.received(conversation), range(expected - 1000, expected + 1001))

    def pass_seconds(self, seconds: int) -> None:
        """Let time go by in small steps."""
        self.clock.pump([0.01] * (seconds * 100))

    def test_rate(self) -> None:
        """One connection gets the rate: after half the time, half of the bytes."""
        self.get()
        self.pass_seconds(10)
        self.assert_received(self.conversation, 100_000)
        self.pass_seconds(11)
        self.assertEqual(self.received(self.conversation), _SIZE)

    def test_shared(self) -> None:
        """Two connections share the rate evenly."""
        other = Conversation(self.store, self.clock)
        self.get()
        other.ask("GET", self.target())
        self.pass_seconds(10)
        for conversation in (self.conversation, other):
            self.assert_received(conversation, 50_000)

    def test_slow_client(self) -> None:
        """A client that takes nothing is sent nothing, and goes on where it stopped."""
        self.get()
        self.pass_seconds(1)
        producer = self.conversation.transport.producer
        assert producer is not None
        producer.pauseProducing()
        before = self.received(self.conversation)
        self.pass_seconds(5)
        self.assertEqual(self.received(self.conversation), before)
        producer.resumeProducing()
        self.pass_seconds(21)
        self.assertEqual(self.conversation.read().body, self.data)

    def test_client_gone(self) -> None:
        """Nothing more is sent to, or counted for, a client that has gone."""
        self.get()
        self.pass_seconds(1)
        self.conversation.hang_up()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        sent = self.store.bytes_sent
        self.pass_seconds(5)
        self.assertEqual(self.store.bytes_sent, sent)
