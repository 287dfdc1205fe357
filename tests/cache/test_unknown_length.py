"""Artifacts of which nobody knows the length until all of it is here."""

from __future__ import annotations

import attrs

from tests.cache.fakes import FakeBody, StoredObject, content
from tests.cache.testcase import PATIENCE, CacheTestCase

THING = StoredObject(content(10_000))


class UnknownLengthTests(CacheTestCase):
    """A store that doesn't say how long the object is."""

    def setUp(self) -> None:
        """Let it answer, without a length."""
        super().setUp()
        self.one = self.device()
        self.body = self.answer()

    def answer(self) -> FakeBody:
        """Answer so."""
        body = self.store.last.reply(attrs.evolve(THING.head(), length=None), THING.data)
        self.settle()
        return body

    def test_head_withheld(self) -> None:
        """Devices wait until all of it is here: they need to know its length."""
        self.body.send()
        self.wait(1)
        self.assertIsNone(self.one.artifact)
        self.body.end()
        self.settle()
        self.assertEqual(self.one.received, THING.data)

    def test_uncertain_end(self) -> None:
        """A closed connection may have been cut: it is begun anew, and nobody sees a part."""
        self.body.send()
        self.body.end(certain=False)
        self.wait(1)
        self.assertEqual(self.store.ranges, [None, None])
        self.assertIsNone(self.one.artifact)
        self.answer().finish()
        self.settle()
        self.assertEqual(self.one.received, THING.data)
        assert self.one.artifact is not None
        self.assertEqual(self.one.artifact.meta.changed_at, 0)

    def test_no_progress(self) -> None:
        """Bytes that are thrown away again are no progress: unwanted, it is given up."""
        self.one.leave()
        for _ in range(100):
            self.body.send(5000)
            self.body.cut()
            self.wait(PATIENCE.longest_retry)
            if self.store.last.answered:
                break
            self.body = self.answer()
        self.assertFalse(self.cache.holds(self.store.last.url))
        self.assertEqual(self.files(), [])

    def test_stopped(self) -> None:
        """When the gateway stops, nothing is kept of what came: no other process could go on."""
        self.body.send(4000)
        self.stop()
        self.assertEqual(self.files(), [])
        self.start()
