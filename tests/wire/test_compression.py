"""Tests of unpacking compressed bodies."""

from __future__ import annotations

import gzip
import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.compression import gunzip

PLAIN = b"some text, some more text"
PACKED = gzip.compress(PLAIN)


class GunzipTests(SynchronousTestCase):
    """What is unpacked, and what is not."""

    def test_whole(self) -> None:
        """Whole data is unpacked, up to the very limit."""
        self.assertEqual(gunzip(PACKED, len(PLAIN)), PLAIN)
        self.assertEqual(gunzip(gzip.compress(b""), 0), b"")

    def test_too_long(self) -> None:
        """Data that unpacks to more than the limit is refused."""
        self.assertRaises(ValueError, gunzip, PACKED, len(PLAIN) - 1)

    def test_bomb(self) -> None:
        """No more memory is taken for what is refused than for what is not."""
        bomb = gzip.compress(b"\0" * 10_000_000)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertRaises(ValueError, gunzip, bomb, 1000)
        _, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, 1_000_000)

    def test_broken(self) -> None:
        """Data that is cut off, damaged, continued, or no gzip at all is refused."""
        damaged = PACKED[:-8] + bytes([PACKED[-8] ^ 1]) + PACKED[-7:]
        for data in (b"", PACKED[:-1], PACKED[:9], damaged, PACKED + b"x", PLAIN, b"x" + PACKED):
            self.assertRaises(ValueError, gunzip, data, 1000)
