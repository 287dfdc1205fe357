"""Which phase of a download may follow which."""

from __future__ import annotations

from automat import NoTransition
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.lifecycle import Lifecycle, Phase, lifecycle


class LifecycleTests(SynchronousTestCase):
    """The order of things."""

    def setUp(self) -> None:
        """Begin one."""
        self.phases: list[Phase] = []
        self.lifecycle: Lifecycle = lifecycle(self.phases.append)

    def test_troubled_life(self) -> None:
        """A download may break, go on, be rejected and begin again before it is whole."""
        self.lifecycle.answered()
        self.lifecycle.broke()
        self.lifecycle.retried()
        self.lifecycle.answered()
        self.lifecycle.received()
        self.lifecycle.rejected()
        self.lifecycle.retried()
        self.lifecycle.broke()
        self.lifecycle.retried()
        self.lifecycle.answered()
        self.lifecycle.received()
        self.lifecycle.published()
        self.assertEqual(
            " ".join(phase.value for phase in self.phases),
            "streaming broken resuming streaming checking broken resuming broken resuming"
            " streaming checking whole",
        )

    def test_nothing_to_fetch(self) -> None:
        """What an earlier process left may be all of it."""
        self.lifecycle.received()
        self.assertEqual(self.phases, [Phase.CHECKING])

    def test_no_short_cut(self) -> None:
        """Nothing is whole without having been checked."""
        self.lifecycle.answered()
        self.assertRaises(NoTransition, self.lifecycle.published)

    def test_over(self) -> None:
        """What is whole can't fail, and what failed stays failed."""
        self.lifecycle.received()
        self.lifecycle.published()
        self.assertRaises(NoTransition, self.lifecycle.failed)
        other = lifecycle(self.phases.append)
        other.failed()
        self.assertRaises(NoTransition, other.answered)
