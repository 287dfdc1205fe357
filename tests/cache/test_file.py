"""A file that may still be growing, and who follows it."""

from __future__ import annotations

import os

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.errors import ArtifactChanged
from menderproxy.cache.file import WAKE_INTERVAL, ArtifactFile
from tests.cache.test_meta import META

LENGTH = 100


class FileTestCase(SynchronousTestCase):
    """Has an empty file that grows to a hundred bytes."""

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.fd = os.open(self.mktemp(), os.O_RDWR | os.O_CREAT)
        meta = attrs.evolve(META, length=LENGTH)
        self.file = ArtifactFile(self.clock, self.fd, meta, committed=0, whole=False)
        self.file.acquire()


class GrowthTests(FileTestCase):
    """Telling those who follow."""

    def setUp(self) -> None:
        """Close the file in the end."""
        super().setUp()
        self.addCleanup(os.close, self.fd)

    def test_first_at_once(self) -> None:
        """The first bytes are told at once."""
        following = self.file.grown()
        self.assertNoResult(following)
        self.file.commit(1)
        self.successResultOf(following)

    def test_gathered(self) -> None:
        """After that there is one wake-up in an interval, however many pieces come."""
        self.file.grown()
        self.file.commit(1)
        following = self.file.grown()
        wakes = 0
        for step in range(2, 52):
            self.file.commit(step)
            if following.called:
                wakes, following = wakes + 1, self.file.grown()
            self.clock.advance(WAKE_INTERVAL / 10)
        self.assertEqual(wakes, 4)
        self.clock.advance(WAKE_INTERVAL)
        self.successResultOf(following)

    def test_after_silence(self) -> None:
        """What comes after a longer silence is told at once again."""
        self.file.grown()
        self.file.commit(1)
        self.clock.advance(WAKE_INTERVAL)
        following = self.file.grown()
        self.file.commit(2)
        self.successResultOf(following)

    def test_nobody_follows(self) -> None:
        """No timer runs while nobody follows."""
        for step in range(5):
            self.file.commit(step)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_all_told(self) -> None:
        """All who follow are told, even if one of them goes away right then."""
        following = [self.file.grown() for _ in range(4)]
        following[0].addCallback(lambda _: following[2].cancel())
        self.file.commit(1)
        for one in (0, 1, 3):
            self.successResultOf(following[one])
        self.failureResultOf(following[2], CancelledError)

    def test_gone(self) -> None:
        """Who went away is not told."""
        following = self.file.grown()
        following.cancel()
        self.failureResultOf(following, CancelledError)
        self.file.commit(1)

    def test_last_byte(self) -> None:
        """The last byte is held back until the whole has been checked."""
        self.file.commit(LENGTH)
        self.assertEqual(self.file.readable, LENGTH - 1)
        following = self.file.grown()
        self.assertNoResult(following)
        self.file.complete()
        self.successResultOf(following)
        self.assertEqual(self.file.readable, LENGTH)

    def test_whole(self) -> None:
        """Nobody waits for a whole file to grow."""
        self.file.commit(LENGTH)
        self.file.complete()
        self.successResultOf(self.file.grown())

    def test_broken_off(self) -> None:
        """All who follow are told when no more comes, and all who ask later; no timer is left."""
        first = self.file.grown()
        self.file.commit(1)
        self.successResultOf(first)
        following = self.file.grown()
        self.file.commit(2)
        self.file.break_off(ArtifactChanged("changed"))
        self.failureResultOf(following, ArtifactChanged)
        self.failureResultOf(self.file.grown(), ArtifactChanged)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class UseTests(FileTestCase):
    """Who uses the file."""

    def test_closed_after_the_last(self) -> None:
        """The file is closed when its last user has gone, and somebody is told."""
        told: Deferred[None] = Deferred()
        self.file.on_unused = lambda: told.callback(None)
        self.file.acquire()
        self.file.release()
        os.fstat(self.fd)
        self.assertNoResult(told)
        self.file.release()
        self.assertRaises(OSError, os.fstat, self.fd)
        self.successResultOf(told)
