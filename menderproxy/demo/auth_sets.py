"""The keys of a device, and which of them the server lets in."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Iterator

import attrs


class AuthStatus(enum.StrEnum):
    """What has become of a key. Best first: a device is where the best of its keys is."""

    ACCEPTED = "accepted"
    PREAUTHORIZED = "preauthorized"
    PENDING = "pending"
    REJECTED = "rejected"
    NOAUTH = "noauth"


@attrs.define
class AuthSet:
    """
    A key that a device has shown, or is expected to show.

    :param pubkey: in its canonical PEM form.
    :param ts: when it became known, in seconds since the epoch.
    """

    pubkey: str
    status: AuthStatus
    ts: float
    id: str = attrs.field(factory=lambda: str(uuid.uuid4()))


@attrs.define
class AuthSets:
    """
    All keys of one device, oldest first; at most one of them is accepted.
    """

    _sets: list[AuthSet] = attrs.field(factory=list)

    def __iter__(self) -> Iterator[AuthSet]:
        return iter(self._sets)

    def __len__(self) -> int:
        return len(self._sets)

    @property
    def status(self) -> AuthStatus:
        """The best status of any key."""
        reached = {auth_set.status for auth_set in self}
        return next((status for status in AuthStatus if status in reached), AuthStatus.NOAUTH)

    def with_id(self, auth_set_id: str) -> AuthSet | None:
        """Find a set by its id."""
        return next((auth_set for auth_set in self if auth_set.id == auth_set_id), None)

    def with_key(self, pubkey: str) -> AuthSet | None:
        """Find the set of a key."""
        return next((auth_set for auth_set in self if auth_set.pubkey == pubkey), None)

    def meet(self, pubkey: str, now: float) -> AuthSet:
        """Find the set of a key, or get to know the key: a new one is pending."""
        return self.with_key(pubkey) or self._add(pubkey, AuthStatus.PENDING, now)

    def preauthorize(self, pubkey: str, now: float) -> AuthSet:
        """Expect a key, whatever had become of it before: even an accepted one starts again."""
        auth_set = self.with_key(pubkey) or self._add(pubkey, AuthStatus.PREAUTHORIZED, now)
        auth_set.status = AuthStatus.PREAUTHORIZED
        return auth_set

    def accept(self, accepted: AuthSet) -> None:
        """
        Let the device in with one key.

        The one that was accepted before is rejected. Keys that are pending stay so: the real
        server touches only what was accepted.
        """
        for auth_set in self:
            if auth_set.status is AuthStatus.ACCEPTED:
                auth_set.status = AuthStatus.REJECTED
        accepted.status = AuthStatus.ACCEPTED

    def remove(self, auth_set: AuthSet) -> None:
        """Forget a key."""
        self._sets.remove(auth_set)

    def _add(self, pubkey: str, status: AuthStatus, now: float) -> AuthSet:
        self._sets.append(AuthSet(pubkey, status, now))
        return self._sets[-1]
