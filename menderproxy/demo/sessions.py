"""Who may call the management API: users that logged in, and personal access tokens."""

from __future__ import annotations

import hmac
import math
import uuid
from collections.abc import Mapping

import attrs

from menderproxy.demo.tokens import Claims, Expired, TokenIssuer

SESSION_LIMIT = 10

#: Stands for the caller when a personal access token was used.
PERSONAL_ACCESS_TOKEN = "pat"


class WrongCredentials(Exception):
    """There is no such user, or the password is another."""


class TooManyLogins(Exception):
    """
    Somebody tried to log in too soon after the last time.

    :param retry_after: seconds to wait.
    """

    def __init__(self, retry_after: int):
        super().__init__(f"too many logins: retry after {retry_after} s")
        self.retry_after = retry_after


@attrs.define
class Sessions:
    """
    Users, their sessions, and tokens that need no session.

    A user has ten sessions at most: one more login ends the oldest of them.

    :param passwords: by lower-case e-mail address.
    :param personal_access_tokens: good until taken out of the set.
    :param login_interval: seconds that have to pass between any two logins.
    """

    passwords: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    personal_access_tokens: set[str] = attrs.field(factory=set, repr=False)
    login_interval: float = 0.0
    _issuer: TokenIssuer = attrs.field(factory=lambda: TokenIssuer("user"), init=False)
    _open: dict[str, list[str]] = attrs.field(factory=dict, init=False)
    _next_login: float = attrs.field(default=-math.inf, init=False)

    def log_in(self, email: str, password: str, now: float, *, expires: bool = True) -> str:
        """
        Open a session.

        :param email: in any case.
        :param expires: whether the token ends after a week.
        :return: the session's token.
        :raises TooManyLogins: when it is too soon.
        :raises WrongCredentials: when it is not the user's password.
        """
        if now < self._next_login:
            raise TooManyLogins(math.ceil(self._next_login - now))
        self._next_login = now + self.login_interval
        user = email.lower()
        expected = self.passwords.get(user)
        if expected is None or not hmac.compare_digest(expected.encode(), password.encode()):
            raise WrongCredentials
        sessions = self._open.setdefault(user, [])
        sessions.append(str(uuid.uuid4()))
        del sessions[:-SESSION_LIMIT]
        return self._issuer.issue(Claims(sessions[-1], user), now, expires=expires)

    def caller(self, token: str, now: float) -> str | None:
        """Name the session of a token, :data:`PERSONAL_ACCESS_TOKEN`, or ``None``: nobody."""
        if token in self.personal_access_tokens:
            return PERSONAL_ACCESS_TOKEN
        try:
            claims = self._issuer.check(token, now)
        except Expired:
            return None
        if claims is None or claims.id not in self._open[claims.subject]:
            return None
        return claims.id
