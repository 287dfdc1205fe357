"""Tests of what a device gets when its artifact can't be had."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.errors import (
    ArtifactChanged,
    ArtifactRefused,
    ArtifactUnavailable,
    CacheUnusable,
)
from menderproxy.web.failure_rules import status_for


class FailureRuleTests(SynchronousTestCase):
    """A status, or ``None`` for a closed connection."""

    def test_passes(self) -> None:
        """What gets better by itself is a closed connection: clients try again after that."""
        for error in (
            ArtifactUnavailable("no route"),
            ArtifactChanged("changed"),
            CacheUnusable("disk full"),
            OSError("I/O error"),
        ):
            for resumed in (False, True):
                self.assertIsNone(status_for(error, resumed=resumed), error)

    def test_refused(self) -> None:
        """A store's refusal of a first request is passed on."""
        for status in (400, 401, 403, 404, 410, 416, 451):
            self.assertEqual(status_for(ArtifactRefused(status), resumed=False), status)

    def test_resumed(self) -> None:
        """A device that has a part keeps it: the next poll brings a link that works again."""
        for status in (400, 401, 403, 451):
            self.assertIsNone(status_for(ArtifactRefused(status), resumed=True))

    def test_final(self) -> None:
        """Unless what it wants the rest of is no more, which no link changes."""
        for status in (404, 410, 416):
            self.assertEqual(status_for(ArtifactRefused(status), resumed=True), status)

    def test_nonsense(self) -> None:
        """A store's answer that is neither an artifact nor an error is no answer of ours."""
        for status in (201, 204, 304, 399):
            self.assertEqual(status_for(ArtifactRefused(status), resumed=False), 502)
            self.assertIsNone(status_for(ArtifactRefused(status), resumed=True))
