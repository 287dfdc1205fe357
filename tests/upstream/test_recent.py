"""Memory that does not grow."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.recent import Recent


class RecentTests(SynchronousTestCase):
    """What is kept."""

    def setUp(self) -> None:
        """Have room for two."""
        self.recent: Recent[int] = Recent(2)
        self.recent.put(b"a", 1)
        self.recent.put(b"b", 2)

    def test_the_oldest_gives_way(self) -> None:
        """One more value than there is room for pushes out the one put first."""
        self.recent.put(b"c", 3)
        self.assertEqual([self.recent.get(key) for key in (b"a", b"b", b"c")], [None, 2, 3])

    def test_put_again(self) -> None:
        """A value that is put again takes no more room, and is the newest."""
        self.recent.put(b"a", 4)
        self.assertEqual(self.recent.get(b"b"), 2)
        self.recent.put(b"c", 3)
        self.assertEqual([self.recent.get(key) for key in (b"a", b"b", b"c")], [4, None, 3])

    def test_taken_out(self) -> None:
        """A value that was taken out is gone."""
        self.assertEqual(self.recent.pop(b"a"), 1)
        self.assertIsNone(self.recent.get(b"a"))
        self.assertIsNone(self.recent.pop(b"a"))
