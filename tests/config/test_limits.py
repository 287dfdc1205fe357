"""Tests of what the limits come to."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.config.documents import config_with, refusal_of

ALL = ("Limits.MaxConnections", 1001)
ONE = "Limits.MaxConnectionsPerAddress"


class ConnectionsPerAddressTests(SynchronousTestCase):
    """How many connections one address may have."""

    def limit(self, *settings: tuple[str, object], **environ: str) -> int:
        """Give it."""
        return config_with(*settings, **environ).limits.connections_per_address

    def test_default(self) -> None:
        """Half of all, so that nobody by himself keeps all others out; but one at least."""
        self.assertEqual(self.limit(ALL), 500)
        self.assertEqual(self.limit(("Limits.MaxConnections", 1)), 1)

    def test_given(self) -> None:
        """As many as somebody says, in the file or in the environment."""
        self.assertEqual(self.limit(ALL, (ONE, 7)), 7)
        self.assertEqual(self.limit(ALL, LIMITS_MAX_CONNECTIONS_PER_ADDRESS="8"), 8)

    def test_off(self) -> None:
        """Zero is no limit besides the one for all, and more than that one is no more."""
        self.assertEqual(self.limit(ALL, (ONE, 0)), 1001)
        self.assertEqual(self.limit(ALL, (ONE, 5000)), 1001)

    def test_refused(self) -> None:
        """What is no whole number is an error."""
        for value in (-1, 0.5, "many", True):
            self.assertIn(ONE, refusal_of((ONE, value)))
