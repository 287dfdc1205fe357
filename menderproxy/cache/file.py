"""The bytes of one artifact on disk, all of them or the first so many, and who follows them."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from menderproxy.cache.meta import ArtifactMeta

WAKE_INTERVAL = 0.05


class ArtifactFile:
    """
    An open file that may still be growing.

    The last byte of a growing file is held back until the whole has been checked: a device
    whose artifact turns out bad must be left with less than it was promised.

    :param fd: readable; closed by us when the last user has gone.
    :param committed: bytes from the start that are in the file.
    :param whole: all bytes are there, and right.
    :ivar users: readers, plus one for whoever fills it.
    :ivar on_unused: called when the last user has gone.
    """

    def __init__(
        self,
        clock: IReactorTime,
        fd: int,
        meta: ArtifactMeta,
        *,
        committed: int,
        whole: bool,
    ):
        self._clock = clock
        self.fd = fd
        self.meta = meta
        self.committed = committed
        self.whole = whole
        self.users = 0
        self.on_unused: Callable[[], object] = _nothing
        self._broken: Exception | None = None
        self._followers: list[Deferred[None]] = []
        self._woken_at = float("-inf")
        self._wake_call: IDelayedCall | None = None

    @property
    def readable(self) -> int:
        """How far readers may read now."""
        return self.committed if self.whole else min(self.committed, self.meta.length - 1)

    def acquire(self) -> None:
        """One more user."""
        self.users += 1

    def release(self) -> None:
        """One user less; after the last one the file is closed."""
        self.users -= 1
        if self.users == 0:
            os.close(self.fd)
            self.on_unused()

    def grown(self) -> Deferred[None]:
        """
        Fires when there is more to read than now; fails when there never will be.

        Wake-ups are gathered: a device needs few and large pieces, not each packet.
        """
        if self._broken is not None:
            return fail(self._broken)
        if self.whole:
            return succeed(None)
        follower: Deferred[None] = Deferred(self._followers.remove)
        self._followers.append(follower)
        return follower

    def commit(self, committed: int) -> None:
        """The file now has so many bytes."""
        self.committed = committed
        if not self._followers or self._wake_call is not None:
            return
        wait = self._woken_at + WAKE_INTERVAL - self._clock.seconds()
        if wait <= 0:
            self._wake()
        else:
            self._wake_call = self._clock.callLater(wait, self._wake)

    def complete(self) -> None:
        """All bytes are there and right: the last one may go out."""
        self.whole = True
        self._wake()

    def break_off(self, reason: Exception) -> None:
        """No more bytes will come: whoever waits for some is told."""
        self._broken = reason
        self._wake()

    def _wake(self) -> None:
        if self._wake_call is not None and self._wake_call.active():
            self._wake_call.cancel()
        self._wake_call = None
        self._woken_at = self._clock.seconds()
        followers, self._followers = self._followers, []
        for follower in followers:
            if self._broken is None:
                follower.callback(None)
            else:
                follower.errback(self._broken)


def _nothing() -> None:
    """Nobody wants to know."""
