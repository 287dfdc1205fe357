"""What the cache has done since it was made, in plain numbers for whoever shows them."""

from __future__ import annotations

import attrs


@attrs.define
class Statistics:
    """
    Counts, none of which goes down but ``readers``.

    :ivar hits: requests for an artifact that was here, or on its way.
    :ivar misses: requests that had a download begun.
    :ivar fills: downloads that brought their artifact in.
    :ivar failures: downloads that were given up.
    :ivar resumes: connections to a store that went on where an earlier one had broken off.
    :ivar evictions: artifacts, whole or in part, that had to make room.
    :ivar fetched: bytes that came from stores.
    :ivar served: bytes that went to devices.
    :ivar saved: by how many bytes ``served`` has exceeded ``fetched`` at most: a new artifact
        comes before it goes, and nothing that was saved is lost again by that.
    :ivar readers: ranges of artifacts being sent.
    """

    hits: int = 0
    misses: int = 0
    fills: int = 0
    failures: int = 0
    resumes: int = 0
    evictions: int = 0
    fetched: int = 0
    served: int = 0
    saved: int = 0
    readers: int = 0

    def serve(self, size: int) -> None:
        """Count bytes to a device."""
        self.served += size
        self.saved = max(self.saved, self.served - self.fetched)
