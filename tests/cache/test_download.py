"""One download, whatever breaks on the way: it goes on where it stopped."""

from __future__ import annotations

import attrs

from menderproxy.cache.errors import ArtifactChanged, ArtifactUnavailable
from menderproxy.wire.remote import RemoteObject
from tests.cache.fakes import KEY, FakeBody, StoredObject, content
from tests.cache.testcase import PATIENCE, TODAY, CacheTestCase, Device

THING = StoredObject(content(10_000))
NEWER = StoredObject(content(10_000, seed=1), etag='"v2"')


class ResumeTests(CacheTestCase):
    """Cut connections."""

    def test_cut(self) -> None:
        """After a cut the rest is asked for, and the device notices nothing."""
        device, body = self.begin(THING)
        body.send(4000)
        self.cut(body)
        self.assertEqual(self.store.ranges, [None, b"bytes=4000-"])
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, THING.data)

    def test_many_cuts(self) -> None:
        """However often the connection is cut, no byte crosses it twice."""
        device, body = self.begin(THING)
        for size in (1, 10, 100, 1000, 3000):
            body.send(size)
            self.cut(body)
            body = self.store.last.serve(THING)
            self.settle()
        self.finish(device)
        self.assertEqual(device.received, THING.data)
        sent = sum(request.body.sent for request in self.store.requests if request.body)
        self.assertEqual(sent, len(THING.data))

    def test_every_kind_of_break(self) -> None:
        """A short body, a closed connection and no answer at all are cuts like any other."""
        device, body = self.begin(THING)
        body.send(1000)
        body.end()
        self.wait(1)
        body = self.store.last.serve(THING)
        self.settle()
        body.send(1000)
        body.end(certain=False)
        self.wait(1)
        self.store.last.fail()
        self.wait(2)
        self.assertEqual(self.store.ranges[1:], [b"bytes=1000-", *[b"bytes=2000-"] * 2])
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, THING.data)

    def test_cut_after_the_last_byte(self) -> None:
        """A connection cut after the last byte is as good as one that ended."""
        device, body = self.begin(THING)
        body.send()
        body.cut()
        self.wait(1)
        self.assertEqual(device.received, THING.data)
        self.assertEqual(len(self.store.requests), 1)

    def test_cut_before_the_first_byte(self) -> None:
        """A cut between head and first byte changes nothing for who has the head already."""
        device, body = self.begin(THING)
        self.cut(body)
        self.assertEqual(self.store.ranges, [None, None])
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, THING.data)
        assert device.artifact is not None
        self.assertEqual(device.artifact.meta.changed_at, 0)

    def test_made(self) -> None:
        """Links from before the artifact was made may mean another, also one that was forgotten."""
        device, body = self.begin(attrs.evolve(THING, age=60.0))
        body.send()
        body.finish()
        self.settle()
        assert device.artifact is not None
        self.assertEqual(device.artifact.meta.changed_at, TODAY - 59)

    def test_too_much(self) -> None:
        """Bytes beyond the promised length never reach a device."""
        device, body = self.begin(THING)
        body.send(4000)
        body.send_other(THING.data[4000:] + b"more")
        self.assertTrue(body.aborted)
        self.wait(1)
        self.assertEqual(self.store.ranges[-1], b"bytes=4000-")
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, THING.data)


class BackoffTests(CacheTestCase):
    """When the store is asked again."""

    def pause(self) -> float:
        """Seconds until the next request."""
        before, asked_at = len(self.store.requests), self.clock.seconds()
        self.settle()
        while len(self.store.requests) == before:
            self.wait(1 / 8)
        return self.clock.seconds() - asked_at

    def test_growth(self) -> None:
        """The pauses grow up to a limit."""
        self.device()
        pauses = []
        for _ in range(9):
            self.store.last.fail()
            pauses.append(self.pause())
        self.assertEqual(pauses, [0.5, 1, 2, 4, 8, 16, 32, 60, 60])

    def test_jitter(self) -> None:
        """They differ from one gateway to the next."""
        self.jitter = 0.25
        self.device()
        for _ in range(3):
            self.store.last.fail()
            self.wait(5)
        self.store.last.fail()
        self.assertEqual(self.pause(), 2.5)

    def test_progress(self) -> None:
        """After a few more bytes they start small again."""
        _, body = self.begin(THING)
        for _ in range(4):
            body.cut()
            self.wait(60)
            body = self.store.last.serve(THING)
            self.settle()
        body.send(1)
        body.cut()
        self.assertEqual(self.pause(), 0.5)

    def test_no_progress(self) -> None:
        """An answer without bytes is no progress."""
        _, body = self.begin(THING)
        body.cut()
        self.assertEqual(self.pause(), 0.5)
        body = self.store.last.serve(THING)
        self.settle()
        body.cut()
        self.assertEqual(self.pause(), 1)

    def test_busy(self) -> None:
        """A store that asks for a pause gets it, up to a limit."""
        device = self.device()
        self.store.last.refuse(503, retry_after=7)
        self.assertEqual(self.pause(), 7)
        self.store.last.refuse(429, retry_after=1e6)
        self.assertEqual(self.pause(), PATIENCE.longest_asked)
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)

    def test_fresher_link(self) -> None:
        """Polls of other devices, each with a newer link, do not shorten the pauses."""
        device = self.device()
        self.store.last.refuse(503, retry_after=7)
        self.settle()
        for number in range(5):
            fresher = attrs.evolve(self.store.last.url, target=f"/bucket/one?signature={number}")
            self.assertEqual(fresher.cache_key, KEY)
            self.cache.remember(fresher)
            self.wait(1)
        self.assertEqual(len(self.store.requests), 1)
        self.wait(2)
        self.assertEqual(self.store.last.url, fresher)
        self.assertIsNone(device.failure)

    def test_unwanted(self) -> None:
        """Nobody waits for it any more: the tries end, but not soon."""
        device, body = self.begin(THING)
        body.send(1000)
        body.cut()
        device.leave()
        self.cut_off_for(PATIENCE.unwanted)
        self.assertFalse(self.store.last.answered)
        self.store.last.fail()
        self.wait(PATIENCE.longest_retry)
        self.assertTrue(self.store.last.answered)
        self.assertEqual(list(self.cache.index.leftovers), [KEY])

    def test_wanted(self) -> None:
        """As long as a device waits, there is another try."""
        device, body = self.begin(THING)
        body.send(1000)
        body.cut()
        self.cut_off_for(2 * PATIENCE.unwanted)
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, THING.data)

    def cut_off_for(self, seconds: float) -> None:
        """Let no request be answered for so long, and then one be made."""
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until:
            self.wait(1)
            if not self.store.last.answered:
                self.store.last.fail()
        self.wait(PATIENCE.longest_retry)


class ChangeTests(CacheTestCase):
    """The store has something else now."""

    def setUp(self) -> None:
        """Have four thousand bytes of the first version, and a cut."""
        super().setUp()
        self.old, body = self.begin(THING)
        body.send(4000)
        self.cut(body)

    def check_new(self) -> None:
        """Who had bytes of the old version is cut off; who comes then gets all of the new one."""
        self.assertIsInstance(self.old.failure, ArtifactChanged)
        self.assertEqual(self.old.received, THING.data[:4000])
        new = self.device()
        if self.store.last.body is None:
            self.store.last.serve(NEWER)
        self.settle()
        self.finish(new)
        self.assertEqual(new.received, NEWER.data)
        assert new.artifact is not None
        self.assertGreater(new.artifact.meta.changed_at, TODAY)
        self.assertEqual(new.artifact.meta.etag, NEWER.etag)

    def answer(self, head: RemoteObject, data: bytes = b"") -> FakeBody:
        """Answer the request for the rest."""
        body = self.store.last.reply(head, data)
        self.wait(1)
        return body

    def test_another_tag(self) -> None:
        """A rest with another entity tag."""
        self.assertTrue(self.answer(NEWER.head(206, 4000)).aborted)
        self.assertEqual(self.store.ranges[2:], [None])
        self.check_new()

    def test_another_length(self) -> None:
        """A rest of something longer."""
        self.answer(attrs.evolve(THING.head(206, 4000), length=10_001))
        self.check_new()

    def test_another_offset(self) -> None:
        """A rest that is not the one asked for."""
        self.answer(THING.head(206, 3999))
        self.check_new()

    def test_beyond_the_end(self) -> None:
        """The rest would begin beyond the end."""
        self.answer(RemoteObject(416))
        self.check_new()

    def test_whole(self) -> None:
        """All of it, instead of the rest: that answer is used, and no other is asked for."""
        self.answer(NEWER.head(), NEWER.data)
        self.assertEqual(len(self.store.requests), 2)
        self.check_new()

    def test_range_ignored(self) -> None:
        """A store that knows no ranges sends the same again: not spliced, but begun anew."""
        self.answer(THING.head(), THING.data)
        self.assertIsInstance(self.old.failure, ArtifactChanged)
        new = self.device()
        self.finish(new)
        self.assertEqual(new.received, THING.data)

    def test_waiting_for_the_head(self) -> None:
        """Who has seen nothing of the old version waits on, and gets the new one."""
        self.answer(RemoteObject(416))
        waiting = self.device()
        self.store.last.fail()
        self.wait(2)
        self.assertIsNone(waiting.failure)
        self.store.last.serve(NEWER)
        self.settle()
        self.finish(waiting)
        self.assertEqual(waiting.received, NEWER.data)


class StopTests(CacheTestCase):
    """The gateway shuts down."""

    def check_stopped(self, device: Device) -> None:
        """Stop, and see the device cut off and the store left alone."""
        self.stop()
        self.assertIsInstance(device.failure, ArtifactUnavailable)
        self.assertTrue(self.store.last.answered)
        self.start()

    def test_waiting_for_an_answer(self) -> None:
        """A request in flight is given up."""
        device = self.device()
        self.check_stopped(device)
        self.assertTrue(self.store.last.given_up)
        self.assertEqual(self.files(), [])

    def test_receiving(self) -> None:
        """The connection is dropped; what came is kept, with a sidecar that says it is synced."""
        device, body = self.begin(THING)
        body.send(4000)
        self.check_stopped(device)
        self.assertTrue(body.aborted)
        self.assertEqual(self.files(), [f"partial/{KEY}.json", f"partial/{KEY}.part"])
        self.assertIn(
            b'"durable": 4000', self.directory.partial_path(KEY).with_suffix(".json").read_bytes()
        )

    def test_waiting_to_try_again(self) -> None:
        """A pause is not waited for."""
        device = self.device()
        self.store.last.refuse(503, retry_after=500)
        self.settle()
        self.check_stopped(device)

    def test_waiting_for_a_link(self) -> None:
        """Nor is a fresher link."""
        device = self.device()
        self.store.last.refuse(403)
        self.settle()
        self.check_stopped(device)

    def test_checking(self) -> None:
        """What is being checked is published first."""
        device, body = self.begin(THING)
        body.finish()
        self.stop()
        self.assertEqual(device.received, THING.data)
        self.start()
        self.assertTrue(self.cache.holds(self.store.last.url))

    def test_disk_busy(self) -> None:
        """What the threads have to write is written before the file is closed."""
        _, body = self.begin(THING)
        body.send(4000)
        self.settle()
        body.send(1000)
        self.clock.advance(1)
        self.assertEqual(list(self.threads.names), ["_append"])
        self.stop()
        self.start()
        self.assertEqual(self.directory.partial_path(KEY).stat().st_size, 5000)
