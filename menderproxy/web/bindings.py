"""Device tokens that count only together with the certificate they were first seen with."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

import attrs

MOST = 100_000


class TokenRefused(Exception):
    """A token came with another certificate than it belongs to."""

    def __str__(self) -> str:
        return "refused: a token came with another client certificate than it belongs to"


@attrs.frozen
class BoundToken:
    """A token together with the certificate that it came with."""

    _bindings: TokenBindings
    _token: bytes = attrs.field(repr=False)
    _key: bytes

    def bind(self) -> None:
        """From now on, this token counts with this certificate's key only."""
        self._bindings.bind(self._token, self._key)


class TokenBindings:
    """
    Which certificate key goes with which token; a stolen token alone is worth nothing then.

    Only tokens that the Mender Server has given out or accepted are bound, so that nobody can
    bind what is not theirs. A device that gets a new key asks for a new token with it, as it does
    after each 401.

    :param most: tokens remembered; those that were not used for longest are forgotten first.
    """

    def __init__(self, most: int = MOST):
        self._most = most
        self._keys: OrderedDict[bytes, bytes] = OrderedDict()

    def check(self, token: bytes, key: bytes) -> BoundToken:
        """
        Let the holder of a certificate use a token.

        :param key: SHA-256 of the certificate's key.
        :raises TokenRefused: the token goes with another one.
        """
        if self._keys.get(_digest(token), key) != key:
            raise TokenRefused
        return BoundToken(self, token, key)

    def bind(self, token: bytes, key: bytes) -> None:
        """Let a token count with this certificate key only."""
        digest = _digest(token)
        self._keys[digest] = key
        self._keys.move_to_end(digest)
        if len(self._keys) > self._most:
            self._keys.popitem(last=False)


def _digest(token: bytes) -> bytes:
    # Whoever could read our memory is not to find tokens there.
    return sha256(token).digest()
