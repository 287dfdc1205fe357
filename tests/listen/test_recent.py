"""What is remembered, and for how long."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.recent import Recent


class RecentTests(SynchronousTestCase):
    """A memory for three."""

    def setUp(self) -> None:
        """Fill it."""
        self.recent: Recent[str] = Recent(3)
        for name in ("a", "b", "c"):
            self.recent.put(name.encode(), name)

    def test_known(self) -> None:
        """A value is found by its digest only."""
        self.assertEqual(self.recent.get(b"b"), "b")
        self.assertIsNone(self.recent.get(b"d"))

    def test_full(self) -> None:
        """The one that nobody has looked at for longest makes room for a new one."""
        self.recent.get(b"a")
        self.recent.put(b"d", "d")
        found = [self.recent.get(each) for each in (b"a", b"b", b"c", b"d")]
        self.assertEqual(found, ["a", None, "c", "d"])
        self.assertEqual(len(self.recent), 3)

    def test_again(self) -> None:
        """The same digest takes no second place."""
        self.recent.put(b"a", "A")
        self.assertEqual((self.recent.get(b"a"), len(self.recent)), ("A", 3))
