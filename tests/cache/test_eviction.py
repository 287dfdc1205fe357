"""Which artifacts go when room is needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.eviction import Candidate, choose
from tests.wire.properties import examples

candidates = st.lists(
    st.builds(
        Candidate,
        key=st.text("abc", min_size=1, max_size=3),
        length=st.integers(0, 100),
        served_at=st.floats(0, 10),
        in_use=st.booleans(),
    ),
    unique_by=lambda one: one.key,
    max_size=8,
).map(lambda some: sorted(some, key=lambda one: one.served_at))


class ChooseTests(SynchronousTestCase):
    """The choice."""

    def test_oldest_first(self) -> None:
        """The one served longest ago goes first, and no more than needed."""
        three = [Candidate(key, 10, at, False) for key, at in (("a", 1), ("b", 2), ("c", 3))]
        self.assertEqual(choose(three, 1), ["a"])
        self.assertEqual(choose(three, 10), ["a"])
        self.assertEqual(choose(three, 11), ["a", "b"])

    def test_in_use(self) -> None:
        """One in use never goes."""
        two = [Candidate("a", 10, 1, True), Candidate("b", 10, 2, False)]
        self.assertEqual(choose(two, 5), ["b"])
        self.assertIsNone(choose(two, 11))

    def test_no_more_looked_at(self) -> None:
        """With ten thousand artifacts it takes no longer than with ten."""
        many = (Candidate(str(number), 10, number, number < 2) for number in range(10_000))
        self.assertEqual(choose(many, 15), ["2", "3"])
        self.assertEqual(next(many).key, "4")

    def test_nothing_needed(self) -> None:
        """Nothing goes when nothing is needed."""
        self.assertEqual(choose([Candidate("a", 10, 1, False)], 0), [])

    @examples
    @given(candidates, st.integers(0, 500))
    def test_any(self, some: list[Candidate], needed: int) -> None:
        """What is chosen is enough, idle and no more than enough; or nothing would do."""
        by_key = {one.key: one for one in some}
        chosen = choose(some, needed)
        idle = [one for one in some if not one.in_use]
        if chosen is None:
            self.assertLess(sum(one.length for one in idle), needed)
            return
        gone = [by_key[key] for key in chosen]
        self.assertFalse(any(one.in_use for one in gone))
        self.assertGreaterEqual(sum(one.length for one in gone), needed)
        self.assertTrue(not gone or sum(one.length for one in gone[:-1]) < needed)
        kept = [one for one in idle if one not in gone]
        for one in gone:
            self.assertTrue(all(one.served_at <= other.served_at for other in kept))
