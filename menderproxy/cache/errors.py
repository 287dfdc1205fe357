"""Why an artifact can't be had, sorted by what the device should be told."""

from __future__ import annotations


class ArtifactError(Exception):
    """The artifact can't be had, now or from this link. The text never holds a query."""


class ArtifactRefused(ArtifactError):
    """
    The store said no, and will say so again.

    :param status: the store's HTTP status.
    """

    def __init__(self, status: int):
        super().__init__(f"the store answered {status}")
        self.status = status


class ArtifactUnavailable(ArtifactError):
    """The store can't be reached, or breaks off again and again."""


class ArtifactChanged(ArtifactError):
    """The store now has other bytes under this name: what was sent so far is of no use."""


class CacheUnusable(ArtifactError):
    """The disk can't take the artifact: no room, or broken."""


class CacheDirectoryError(Exception):
    """The cache's directory can't be used at all; the text names it and says why."""
