"""Tests of demo.content."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.demo.content import Keystream, Literal, sha256

_LENGTH = 5000


class KeystreamTests(SynchronousTestCase):
    """Bytes computed from their offset."""

    @given(st.integers(0, _LENGTH + 50), st.integers(0, _LENGTH + 50))
    def test_random_access(self, offset: int, size: int) -> None:
        """A piece read by itself is the same as that piece of the whole."""
        content = Keystream("artifact", _LENGTH)
        whole = content.read(0, _LENGTH)
        self.assertEqual(len(whole), _LENGTH)
        self.assertEqual(content.read(offset, size), whole[offset : offset + size])

    def test_no_repetition(self) -> None:
        """No 16 bytes of the content occur twice, wherever one looks."""
        data = Keystream("artifact", 1 << 20).read(0, 1 << 20)
        pieces = {data[offset : offset + 16] for offset in range(0, 1 << 20, 16)}
        self.assertEqual(len(pieces), (1 << 20) // 16)

    def test_names(self) -> None:
        """Another name gives other bytes."""
        self.assertNotEqual(Keystream("a", 64).read(0, 64), Keystream("b", 64).read(0, 64))

    def test_huge(self) -> None:
        """The end of ten gibibytes is read without the ten gibibytes before it."""
        self.assertEqual(len(Keystream("artifact", 10 << 30).read((10 << 30) - 3, 16)), 3)


class ChecksumTests(SynchronousTestCase):
    """The checksum of all of a content."""

    def test_several_steps(self) -> None:
        """It covers every byte, also of what is read in several steps."""
        content = Keystream("artifact", (2 << 20) + 5)
        whole = content.read(0, content.length)
        self.assertEqual(sha256(content), hashlib.sha256(whole).hexdigest())
        self.assertEqual(sha256(Literal(whole)), sha256(content))
