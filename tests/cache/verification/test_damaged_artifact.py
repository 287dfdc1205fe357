"""Tests that no change to an artifact goes unnoticed."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.verification.artifact import Outcome, verify
from tests.wire.properties import examples

from .artifact_tool import REASON_TO_SKIP, made_by_tool
from .mender_artifacts import artifact, contents, parts

SUFFIXES = ("", ".gz", ".xz")
ORIGINALS = (
    *(artifact(parts(suffix, augment={"delta": b"d" * 700})) for suffix in SUFFIXES),
    artifact(parts("", version=2)),
)

FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=3)
"""Where in the artifact to change a byte, and which bits of it."""

KEPT = st.just(1.0) | st.floats(0, 1)
"""How much of it to keep."""

ADDED = st.just(b"") | st.binary(max_size=3)
"""What to add to it."""


def outcome(data: bytes) -> Outcome:
    """Verify bytes."""
    return verify(io.BytesIO(data), unpacked_limit=1 << 20).outcome


class DamageTests(SynchronousTestCase):
    """Nothing that was changed passes for good."""

    def assert_noticed(
        self, original: bytes, flips: list[tuple[float, int]], kept: float, added: bytes
    ) -> None:
        """Fail if a damaged artifact is good with other files or bytes than before."""
        data = bytearray(original)
        for place, mask in flips:
            data[int(place * len(data))] ^= mask
        damaged = bytes(data[: int(kept * len(data))]) + added
        if outcome(damaged) is Outcome.GOOD:
            self.assertEqual(contents(damaged), contents(original))

    @examples
    @given(st.sampled_from(ORIGINALS), FLIPS, KEPT, ADDED)
    def test_damaged(
        self, original: bytes, flips: list[tuple[float, int]], kept: float, added: bytes
    ) -> None:
        """Whatever is flipped, cut off or added: good means the same files with the same bytes."""
        self.assert_noticed(original, flips, kept, added)

    @examples
    @given(st.sampled_from(("gzip", "lzma", "none")), FLIPS, KEPT, ADDED)
    def test_damaged_original(
        self, compression: str, flips: list[tuple[float, int]], kept: float, added: bytes
    ) -> None:
        """So it is with what the official tool makes."""
        self.assert_noticed(made_by_tool(compression), flips, kept, added)

    if REASON_TO_SKIP:
        test_damaged_original.skip = REASON_TO_SKIP  # type: ignore[attr-defined]

    @examples
    @given(st.binary(max_size=2000))
    def test_anything(self, data: bytes) -> None:
        """No bytes at all raise anything, be it at the start or after a right version."""
        self.assertIs(outcome(data), Outcome.NOT_MENDER)
        self.assertIs(outcome(ORIGINALS[0][:1024] + data), Outcome.BAD)
