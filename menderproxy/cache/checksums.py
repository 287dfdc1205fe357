"""Whether what came is what the store said it would be (pure)."""

from __future__ import annotations

import attrs

from menderproxy.wire.remote import RemoteObject

MAX_REJECTIONS = 3


def needs_md5(stated: RemoteObject) -> bool:
    """Whether the MD5 is what an object has to be compared by: there is nothing better."""
    return stated.md5 is not None and stated.sha256 is None


@attrs.define
class Checksums:
    """
    Compares digests with what the store said, and remembers what it rejected.

    A SHA-256 is what the store computed to be compared. An MD5 is read from an entity tag that
    may only look like one: the same bytes twice are believed against it.
    """

    _rejected: list[bytes] = attrs.field(factory=list)

    @property
    def hopeless(self) -> bool:
        """Whether wrong bytes came so often that the next ones won't be right either."""
        return len(self._rejected) >= MAX_REJECTIONS

    def accept(self, stated: RemoteObject, *, sha256: bytes, md5: bytes | None) -> bool:
        """
        Whether to believe bytes with these digests.

        :param stated: what the store said of the object.
        :param md5: ``None`` when it was not computed, see :func:`needs_md5`.
        """
        if stated.sha256 is not None:
            right = sha256 == stated.sha256
        elif stated.md5 is not None:
            right = md5 == stated.md5 or sha256 in self._rejected
        else:
            right = True
        if not right:
            self._rejected.append(sha256)
        return right
