"""What the cache has, and what of it could go."""

from __future__ import annotations

import os
from collections.abc import Iterator

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.directory import Leftover
from menderproxy.cache.eviction import Candidate
from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.index import LINGER, Entry, Index
from tests.cache.test_meta import META


class IndexTestCase(SynchronousTestCase):
    """Has an index with one artifact of ten bytes, closed, and a leftover of five."""

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.busy: list[str] = []
        self.index = Index(self.in_flight)
        self.entry = Entry(self.clock, META, served_at=7)
        self.index.add(self.entry)
        self.index.leftovers["part"] = Leftover("part", 5, used_at=3)

    def in_flight(self) -> Iterator[str]:
        """What downloads work on."""
        return iter(self.busy)

    def open(self) -> ArtifactFile:
        """Open the artifact."""
        self.path = self.mktemp()
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT)
        file = ArtifactFile(self.clock, fd, META, committed=10, whole=True)
        file.acquire()
        self.entry.keep_open(file)
        return file


class CandidateTests(IndexTestCase):
    """What could go."""

    def candidates(self) -> list[Candidate]:
        """That."""
        return list(self.index.candidates())

    def test_all(self) -> None:
        """Artifacts and leftovers, with what they take and when they were used."""
        self.assertEqual(
            self.candidates(), [Candidate("part", 5, 3, False), Candidate(META.key, 10, 7, False)]
        )
        self.assertEqual(self.index.bytes_used, 15)

    def test_in_use(self) -> None:
        """One that is read, or about to be, is in use; one whose file is only open is not."""
        file = self.open()
        self.assertFalse(self.candidates()[1].in_use)
        file.acquire()
        self.assertTrue(self.candidates()[1].in_use)
        file.release()
        self.entry.opening += 1
        self.assertTrue(self.candidates()[1].in_use)
        self.entry.close()

    def test_in_flight(self) -> None:
        """A leftover that a download works on is in use."""
        self.busy.append("part")
        self.assertTrue(self.candidates()[0].in_use)

    def test_order(self) -> None:
        """What was served or left longest ago comes first, whichever of the two it is."""
        keys = [digit * 64 for digit in "123"]
        for at, key in enumerate(keys, 10):
            self.index.add(Entry(self.clock, attrs.evolve(META, key=key), at))
        self.index.leftovers["newer"] = Leftover("newer", 5, used_at=10.5)
        self.index.leftovers["oldest"] = Leftover("oldest", 5, used_at=1)
        order = ["oldest", "part", META.key, keys[0], "newer", *keys[1:]]
        self.assertEqual([one.key for one in self.candidates()], order)
        self.index.served(self.index.entries[keys[0]], 20)
        self.index.served(self.entry, 21)
        order = ["oldest", "part", "newer", *keys[1:], keys[0], META.key]
        self.assertEqual([one.key for one in self.candidates()], order)

    def test_served_but_forgotten(self) -> None:
        """What was forgotten while it was being opened does not come back."""
        self.index.forget(META.key)
        self.index.served(self.entry, 8)
        self.assertEqual(self.index.entries, {})

    def test_replaced(self) -> None:
        """An artifact that is fetched anew takes the place of its older version, and comes last."""
        self.index.add(Entry(self.clock, attrs.evolve(META, key="0" * 64), 8))
        newer = Entry(self.clock, META, 9)
        self.index.add(newer)
        self.assertEqual(list(self.index.entries), ["0" * 64, META.key])
        self.assertIs(self.index.entries[META.key], newer)

    def test_forget(self) -> None:
        """What is forgotten is closed, and takes no room any more."""
        file = self.open()
        self.index.forget(META.key)
        self.index.forget("part")
        self.index.forget("unknown")
        self.assertEqual((self.candidates(), self.index.bytes_used), ([], 0))
        self.assertRaises(OSError, os.fstat, file.fd)


class LingerTests(IndexTestCase):
    """How long a file stays open."""

    def test_used(self) -> None:
        """A file is not closed while it is in use, and some time after that."""
        file = self.open()
        file.acquire()
        self.clock.advance(LINGER)
        self.clock.advance(LINGER)
        os.fstat(file.fd)
        file.release()
        self.clock.advance(LINGER)
        self.assertRaises(OSError, os.fstat, file.fd)
        self.assertIsNone(self.entry.file)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_served_again(self) -> None:
        """Each use makes it stay open for that time again."""
        file = self.open()
        for _ in range(3):
            self.clock.advance(LINGER * 0.9)
            self.entry.served(0)
        os.fstat(file.fd)
        self.clock.advance(LINGER)
        self.assertRaises(OSError, os.fstat, file.fd)

    def test_closed_while_read(self) -> None:
        """Who reads from it when it is closed reads on."""
        file = self.open()
        file.acquire()
        self.entry.close()
        os.fstat(file.fd)
        file.release()
        self.assertRaises(OSError, os.fstat, file.fd)

    def test_time_stamp(self) -> None:
        """When it was last served is written to the file as it is closed."""
        self.open()
        self.entry.served(99)
        self.entry.close()
        self.assertEqual(os.stat(self.path).st_mtime, 99)

    def test_closed_twice(self) -> None:
        """Closing it again does no harm."""
        self.open()
        self.entry.close()
        self.entry.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class CondemnedTests(IndexTestCase):
    """Artifacts that are bad at the store itself."""

    def test_same_version(self) -> None:
        """Only the very version that was found bad is condemned."""
        bad = attrs.evolve(META, etag='"bad"')
        self.index.condemned[META.key] = bad
        self.assertTrue(self.index.condemns(META.key, '"bad"', 10))
        self.assertFalse(self.index.condemns(META.key, '"good"', 10))
        self.assertFalse(self.index.condemns(META.key, '"bad"', 11))
        self.assertFalse(self.index.condemns("0" * 64, '"bad"', 10))
