"""Who may take how much of a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.token_bucket import BURST, FOR_THE_OTHERS, Share, TokenBucket

RATE = 1000
"""Bytes a second."""

MOST = RATE * BURST
TENTH = RATE * 0.1
"""What a tenth of a second brings."""


class FillTests(SynchronousTestCase):
    """Dealing out what some time brings."""

    def setUp(self) -> None:
        """Have a bucket."""
        self.bucket = TokenBucket(RATE)

    def shares(self, count: int, debt: float = 10_000) -> list[Share]:
        """Let some join that want more than there is."""
        shares = [self.bucket.join() for _ in range(count)]
        for share in shares:
            share.tokens = -debt
        return shares

    def gains(self, shares: list[Share], seconds: float = 0.1) -> list[float]:
        """Fill, and tell what each has got."""
        before = [share.tokens for share in shares]
        self.bucket.fill(seconds)
        return [
            round(share.tokens - tokens, 6) for share, tokens in zip(shares, before, strict=True)
        ]

    def test_alone(self) -> None:
        """The only one gets all of it."""
        self.assertEqual(self.gains(self.shares(1)), [TENTH])

    def test_nobody(self) -> None:
        """With nobody there it is gone, and not kept for who comes next."""
        self.bucket.fill(0.1)
        self.assertEqual(self.bucket.join().tokens, 0)

    def test_oldest(self) -> None:
        """The oldest gets the most; the others share the rest alike."""
        rest = TENTH * FOR_THE_OTHERS
        self.assertEqual(self.gains(self.shares(3)), [TENTH - rest, rest / 2, rest / 2])

    def test_left(self) -> None:
        """When the oldest is done, the next one is the oldest."""
        shares = self.shares(3)
        self.bucket.leave(shares.pop(0))
        rest = TENTH * FOR_THE_OTHERS
        self.assertEqual(self.gains(shares), [TENTH - rest, rest])

    def test_left_over(self) -> None:
        """What one doesn't take goes to the oldest of those that do."""
        shares = self.shares(3)
        shares[0].tokens = MOST
        rest = TENTH * FOR_THE_OTHERS / 2
        self.assertEqual(self.gains(shares), [0, TENTH - rest, rest])

    def test_little(self) -> None:
        """One that takes but little leaves what it does not take."""
        shares = self.shares(2)
        shares[0].tokens = MOST - 10
        self.assertEqual(self.gains(shares), [10, TENTH - 10])

    def test_saved(self) -> None:
        """One that takes nothing saves no more than a burst."""
        [share] = self.shares(1, debt=0)
        for _ in range(100):
            self.bucket.fill(0.1)
        self.assertEqual(share.tokens, MOST)

    def test_long_ago(self) -> None:
        """Of a long time only the last moments count."""
        self.assertEqual(self.gains(self.shares(1), seconds=3600), [MOST])


class RateTests(SynchronousTestCase):
    """What never happens, whoever wants how much."""

    @given(
        st.lists(st.floats(-1e6, MOST), min_size=1, max_size=20),
        st.floats(0, 10, exclude_min=True),
    )
    def test_no_more(self, tokens: list[float], seconds: float) -> None:
        """No more is dealt out than the time brings, and no less as long as somebody wants it."""
        bucket = TokenBucket(RATE)
        shares = [bucket.join() for _ in tokens]
        for share, has in zip(shares, tokens, strict=True):
            share.tokens = has
        bucket.fill(seconds)
        dealt = sum(share.tokens for share in shares) - sum(tokens)
        wanted = sum(MOST - has for has in tokens)
        self.assertAlmostEqual(dealt, min(RATE * min(seconds, BURST), wanted), places=3)

    @given(st.integers(1, 50), st.data())
    def test_none_starves(self, count: int, data: st.DataObject) -> None:
        """Each that wants something gets its part of it."""
        bucket = TokenBucket(RATE)
        shares = [bucket.join() for _ in range(count)]
        for share in shares:
            share.tokens = -1e6
        one = shares[data.draw(st.integers(0, count - 1))]
        bucket.fill(0.1)
        self.assertGreaterEqual(one.tokens + 1e6, TENTH * FOR_THE_OTHERS / count - 0.001)
