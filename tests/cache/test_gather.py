"""Many pieces of memory in one place of a file."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.gather import MOST_PIECES, write_gathered
from tests.cache.fakes import content

DATA = content(10_000)


class GatherTests(SynchronousTestCase):
    """Writing."""

    def setUp(self) -> None:
        """Have a file with something in it."""
        self.fd = os.open(self.mktemp(), os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, self.fd)
        os.write(self.fd, b"before")

    def check(self, pieces: list[bytes]) -> None:
        """Write these pieces, and find them in the file, after what was there."""
        os.truncate(self.fd, 6)
        write_gathered(self.fd, pieces, 6)
        self.assertEqual(os.pread(self.fd, 1 << 20, 0), b"before" + b"".join(pieces))

    def let_write(self, *sizes: int) -> None:
        """Let the system write so many bytes at a call, one size after the other, then all."""
        pwritev, left = os.pwritev, list(sizes)

        def short(fd: int, pieces: Sequence[memoryview], offset: int) -> int:
            if not left:
                return pwritev(fd, pieces, offset)
            return os.pwrite(fd, b"".join(pieces)[: left.pop(0)], offset)

        self.patch(os, "pwritev", short)

    def test_in_order(self) -> None:
        """Pieces are written one after the other; empty ones do no harm."""
        self.check([DATA[:10], DATA[10:4000], b"", DATA[4000:]])
        self.check([b""])
        self.check([])

    def test_more_than_one_call_takes(self) -> None:
        """There may be more pieces than the system takes at once."""
        self.check([DATA[i : i + 1] for i in range(2 * MOST_PIECES + 1)])

    def test_partial_writes(self) -> None:
        """A system that writes less than asked is asked again for the rest, and only for that."""
        for size in (1, 9, 10, 11, 20, 29):
            self.let_write(size, 1, size)
            self.check([DATA[:10], DATA[10:20], DATA[20:30], DATA[30:100]])

    def test_any_pieces(self) -> None:
        """Whatever the pieces and however the system cuts them, each byte has its place."""

        @given(
            st.lists(st.binary(max_size=40), max_size=20),
            st.lists(st.integers(1, 60), max_size=20),
        )
        def written(pieces: list[bytes], sizes: list[int]) -> None:
            self.let_write(*sizes)
            self.check(pieces)

        written()

    def test_failure(self) -> None:
        """What the disk says is heard."""

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        self.patch(os, "pwritev", full)
        self.assertRaises(OSError, write_gathered, self.fd, [DATA], 0)
