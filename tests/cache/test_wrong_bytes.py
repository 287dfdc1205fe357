"""Bytes that are not what the store said they would be never look like an artifact."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs

from menderproxy.cache.checksums import MAX_REJECTIONS
from menderproxy.cache.errors import ArtifactChanged, ArtifactUnavailable
from tests.cache.fakes import KEY, LINK, StoredObject, content
from tests.cache.testcase import CacheTestCase, Device

DATA = content(10_000)
WRONG = DATA[:-1] + b"?"
THING = StoredObject(DATA)


class RejectionTests(CacheTestCase):
    """Checksums that don't match."""

    def serve_wrong(self, thing: StoredObject, data: bytes = WRONG) -> None:
        """Answer with other bytes than those promised."""
        body = self.store.last.reply(thing.head(), data)
        self.settle()
        body.finish()
        self.settle()

    def check_cut_off(self, device: Device) -> None:
        """The device got all but the last byte, which would have made it look whole."""
        self.assertEqual(device.received, WRONG[:-1])
        self.assertIsInstance(device.failure, ArtifactChanged)
        self.assertFalse(device.finished)

    def fetch_anew(self, thing: StoredObject) -> None:
        """The right bytes come at the next try; then all is as if there had never been any."""
        self.wait(1)
        self.store.last.serve(thing)
        self.settle()
        self.finish(self.device())
        self.cache.index.forget(KEY)
        self.directory.delete(KEY)

    def test_refetched(self) -> None:
        """Wrong bytes are dropped before anybody has the last one, and fetched again."""
        for thing in (THING.right_md5, THING.right_sha256):
            first = self.device()
            self.serve_wrong(thing)
            self.check_cut_off(first)
            self.assertEqual(self.files(), [])
            second = self.device()
            self.wait(1)
            self.assertIsNone(self.store.last.range_header)
            self.store.last.serve(thing)
            self.settle()
            self.finish(second)
            self.assertEqual(second.received, DATA)
            self.cache.index.forget(KEY)
            self.directory.delete(KEY)

    def test_last_byte_withheld(self) -> None:
        """The last byte waits for the checksum, and for nothing else."""
        device, body = self.begin(THING.right_md5)
        body.send()
        self.clock.advance(0)
        self.threads.step()
        self.clock.advance(1)
        self.assertEqual(device.received, DATA[:-1])
        body.end()
        self.settle()
        self.assertEqual(device.received, DATA)

    def test_hopeless(self) -> None:
        """A store whose bytes never match is given up, and nothing of it is kept."""
        thing = THING.right_sha256
        first = self.device()
        for _ in range(MAX_REJECTIONS - 1):
            self.serve_wrong(thing)
            self.wait(5)
        waiting = self.device()
        self.serve_wrong(thing)
        self.check_cut_off(first)
        self.assertIsNotNone(waiting.failure)
        self.assertEqual(self.files(), [])
        self.assertFalse(self.cache.holds(LINK))
        self.device()
        self.assertIsNone(self.store.last.range_header)

    def test_told_why(self) -> None:
        """Who waits for the head meanwhile is told that it can't be had."""
        self.device().leave()
        thing = THING.right_sha256
        for _ in range(MAX_REJECTIONS):
            body = self.store.last.reply(attrs.evolve(thing.head(), length=None), WRONG)
            waiting = self.device()
            body.finish()
            self.wait(5)
        self.assertIsInstance(waiting.failure, ArtifactUnavailable)
        self.assertEqual(self.files(), [])

    def test_lookalike(self) -> None:
        """An entity tag that only looks like an MD5 costs one more download, not the artifact."""
        thing = attrs.evolve(THING, md5=hashlib.md5(b"else").digest())
        self.device()
        body = self.store.last.serve(thing)
        self.settle()
        body.finish()
        self.settle()
        device = self.device()
        self.wait(1)
        self.store.last.serve(thing)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, DATA)
        self.assertEqual(len(self.store.requests), 2)

    def test_resumed(self) -> None:
        """The checksum of the first answer counts for what later ones brought."""
        for thing in (THING.right_md5, THING.right_sha256):
            device = self.device()
            body = self.store.last.serve(thing)
            self.settle()
            body.send(5000)
            self.cut(body)
            rest = self.store.last.reply(thing.head(206, 5000), WRONG[5000:])
            self.settle()
            rest.finish()
            self.settle()
            self.check_cut_off(device)
            self.assertEqual(self.files(), [])
            self.fetch_anew(thing)

    def test_told_late(self) -> None:
        """A checksum that only a later answer tells counts for all that came before it, too."""
        wrong = b"?" + DATA[1:]
        for thing in (THING.right_md5, THING.right_sha256):
            device = self.device()
            body = self.store.last.reply(THING.head(), wrong)
            self.settle()
            body.send(5000)
            self.cut(body)
            told = attrs.evolve(THING.head(206, 5000), md5=thing.md5, sha256=thing.sha256)
            rest = self.store.last.reply(told, DATA[5000:])
            self.settle()
            rest.finish()
            self.settle()
            self.assertEqual(device.received, wrong[:-1])
            self.assertIsInstance(device.failure, ArtifactChanged)
            self.fetch_anew(thing)

    def test_right_and_told_late(self) -> None:
        """Nor does it count against right bytes that came before it."""
        for thing in (THING.right_md5, THING.right_sha256):
            device, body = self.begin(THING)
            body.send(5000)
            self.cut(body)
            told = attrs.evolve(THING.head(206, 5000), md5=thing.md5, sha256=thing.sha256)
            self.store.last.reply(told, DATA[5000:])
            self.settle()
            self.finish(device)
            self.assertEqual(device.received, DATA)
            self.cache.index.forget(KEY)
            self.directory.delete(KEY)

    def test_no_md5_for_nothing(self) -> None:
        """An MD5 is computed only where it is what the bytes have to be compared by."""
        computed: list[None] = []
        md5 = hashlib.md5

        def counted(*arguments: Any, **more: Any) -> Any:
            computed.append(None)
            return md5(*arguments, **more)

        things = (THING, THING.right_sha256, THING.right_sha256.right_md5, THING.right_md5)
        self.patch(hashlib, "md5", counted)
        for thing in things:
            self.store_whole(LINK, thing)
            self.assertEqual(len(computed), 1 if thing is things[-1] else 0)
            self.cache.index.forget(KEY)
            self.directory.delete(KEY)
