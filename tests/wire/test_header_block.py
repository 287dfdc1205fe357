"""Tests of heads that have to fit a small client."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.header_block import LIMIT, fit
from tests.wire.properties import examples

NEEDED = (b"Content-Type", b"ETag", b"Retry-After", b"Location", b"X-MEN-RequestID")
NAMES = st.sampled_from((*NEEDED, b"X-Trace", b"Set-Cookie"))
HEADERS = st.lists(st.tuples(NAMES, st.integers(0, 50).map(lambda size: b"x" * size)))


def size(headers: list[tuple[bytes, bytes]]) -> int:
    """Count the bytes of headers as they are sent."""
    return sum(len(b"%b: %b\r\n" % header) for header in headers)


class FitTests(SynchronousTestCase):
    """Which headers stay."""

    def test_fitting(self) -> None:
        """What fits stays as it is, to the last byte."""
        headers = [(b"X-One", b"a"), (b"X-One", b"a"), (b"ETag", b"b")]
        self.assertEqual(fit(headers, size(headers)), (headers, []))
        self.assertEqual(fit([], 0), ([], []))

    def test_largest_first(self) -> None:
        """Of what no client needs, the largest goes first, and no more than has to."""
        small, large, larger = (b"X-A", b"x"), (b"X-B", b"x" * 10), (b"X-C", b"x" * 11)
        headers = [larger, small, large]
        self.assertEqual(fit(headers, size(headers) - 1), ([small, large], [b"X-C"]))
        self.assertEqual(fit(headers, size([small])), ([small], [b"X-C", b"X-B"]))

    def test_needed(self) -> None:
        """What clients act on stays, however large and however it is spelled."""
        for name in NEEDED:
            for spelled in (name, name.lower(), name.upper()):
                needed = (spelled, b"x" * 100)
                kept, dropped = fit([needed, (b"X-Small", b"x")], size([needed]))
                self.assertEqual((kept, dropped), ([needed], [b"X-Small"]))

    def test_hopeless(self) -> None:
        """When that alone is too large, no device can be answered so."""
        headers = [(b"ETag", b"x" * 100), (b"X-A", b"x")]
        error = self.assertRaises(ValueError, fit, headers, 100)
        self.assertEqual(str(error), "the headers that clients need are too large")

    def test_default(self) -> None:
        """The usual limit leaves room for the rest of a head of 8 KiB."""
        self.assertEqual(fit([(b"X", b"x" * (LIMIT - 5))])[1], [])
        self.assertEqual(fit([(b"X", b"x" * (LIMIT - 4))])[1], [b"X"])
        self.assertLess(LIMIT, 8 * 1024 - 512)

    @examples
    @given(HEADERS, st.integers(0, 500))
    def test_properties(self, headers: list[tuple[bytes, bytes]], limit: int) -> None:
        """What is left fits, in its old order, and every header is either left or named."""
        try:
            kept, dropped = fit(headers, limit)
        except ValueError:
            self.assertGreater(size([one for one in headers if one[0] in NEEDED]), limit)
            return
        self.assertLessEqual(size(kept), limit)
        self.assertEqual(
            sorted([*(name for name, _ in kept), *dropped]), sorted(n for n, _ in headers)
        )
        rest = iter(headers)
        self.assertTrue(all(header in rest for header in kept))
        self.assertFalse(set(dropped) & set(NEEDED))
