"""Tests of demo.auth_sets."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.demo.auth_sets import AuthSet, AuthSets, AuthStatus


class AuthSetsTests(SynchronousTestCase):
    """What becomes of a device's keys."""

    def setUp(self) -> None:
        """Begin with a device without a key."""
        self.sets = AuthSets()

    def test_rank(self) -> None:
        """The device is where the best of its keys is; pending is above rejected."""
        self.assertEqual(self.sets.status, "noauth")
        for status in ("rejected", "pending", "preauthorized", "accepted"):
            self.sets.meet(status, 0.0).status = AuthStatus(status)
            self.assertEqual(self.sets.status, status)

    def test_meet(self) -> None:
        """A new key is pending since now; a known one is what it was."""
        met = self.sets.meet("key", 1.0)
        self.assertEqual((met.status, met.ts), ("pending", 1.0))
        met.status = AuthStatus.REJECTED
        self.assertIs(self.sets.meet("key", 2.0), met)
        self.assertEqual((met.status, met.ts), ("rejected", 1.0))

    def test_accept(self) -> None:
        """Accepting a key rejects the accepted one, and leaves a pending one alone."""
        old, waiting, new = (self.sets.meet(name, 0.0) for name in ("old", "waiting", "new"))
        self.sets.accept(old)
        self.sets.accept(new)
        self.assertEqual(
            [known.status for known in (old, waiting, new)], ["rejected", "pending", "accepted"]
        )

    def test_preauthorize(self) -> None:
        """A key is expected whatever it was before, and keeps its id."""
        for status in AuthStatus:
            known = self.sets.meet(status, 0.0)
            known.status = status
            self.assertIs(self.sets.preauthorize(status, 1.0), known)
            self.assertEqual(known.status, "preauthorized", status)
        self.assertEqual(self.sets.preauthorize("new", 1.0).status, "preauthorized")

    def test_find(self) -> None:
        """Sets are found by id and by key."""
        known: AuthSet = self.sets.meet("key", 0.0)
        self.assertIs(self.sets.with_id(known.id), known)
        self.assertIs(self.sets.with_key("key"), known)
        self.assertIsNone(self.sets.with_id("key"))
        self.assertIsNone(self.sets.with_key(known.id))
