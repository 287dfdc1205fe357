"""Digests of a file that grows."""

from __future__ import annotations

import hashlib
import os

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.digests import READ, Digests
from tests.cache.fakes import content

DATA = content(READ + 1000)


class DigestsTests(SynchronousTestCase):
    """What is computed, and of what."""

    def file(self, data: bytes) -> int:
        """Have a file of these bytes."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(data)
        fd = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        return fd

    def check(self, digests: Digests, data: bytes) -> None:
        """They are those of these bytes."""
        self.assertEqual(digests.offset, len(data))
        self.assertEqual(digests.sha256, hashlib.sha256(data).digest())
        expected = hashlib.md5(data).digest() if digests.has_md5 else None
        self.assertEqual(digests.md5, expected)

    def test_pieces(self) -> None:
        """Pieces count one after the other, however long they are."""
        for md5 in (False, True):
            digests = Digests(md5=md5)
            digests.update([DATA[:1], b"", DATA[1:5000]])
            digests.update([DATA[5000:]])
            self.check(digests, DATA)

    def test_catch_up(self) -> None:
        """What was not taken is read from the file, as far as it is asked for."""
        digests = Digests(md5=True)
        digests.update([DATA[:10]])
        fd = self.file(DATA)
        digests.catch_up(fd, len(DATA) - 1)
        self.check(digests, DATA[:-1])
        digests.catch_up(fd, len(DATA) - 1)
        self.check(digests, DATA[:-1])

    def test_not_for_nothing(self) -> None:
        """No MD5 is computed that nobody asks for."""

        def md5(*_: object, **__: object) -> None:
            self.fail("an MD5 is computed")

        self.patch(hashlib, "md5", md5)
        digests = Digests()
        digests.update([DATA])
        self.assertFalse(digests.has_md5)

    def test_file_cut(self) -> None:
        """A file that is shorter than it was can't be caught up with."""
        self.assertRaises(OSError, Digests().catch_up, self.file(DATA[:100]), 101)
