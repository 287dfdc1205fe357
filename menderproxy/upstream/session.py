"""
The service user's session with the Mender Server: one token, shared by all calls.

A user has few sessions at a time, and each login beyond them throws out the oldest, so a login
is made only when there is no token that is good.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Protocol

import attrs
from treq.client import HTTPClient
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from menderproxy.upstream.control import Busy, pause_asked
from menderproxy.upstream.errors import UpstreamError
from menderproxy.upstream.single_flight import SingleFlight
from menderproxy.wire.device_token import claims

LOGIN = "/api/management/v1/useradm/auth/login"

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
YOUNG = 60.0
"""Seconds that a token must have lived for its end to be nothing unusual."""

_TOKEN = re.compile(r"[!-~]{1,8192}")
_LAST_NEWLINE = re.compile(r"\r?\n\Z")


class LoginRefused(UpstreamError):
    """The Mender Server doesn't take our credentials."""


class NoCredentials(UpstreamError):
    """The credentials can't be read."""


class Secret(Protocol):
    """A password, or a token."""

    def read(self) -> str:
        """
        Give it.

        :raises NoCredentials: it can't be read; says where and why.
        """


@attrs.frozen
class Given:
    """A secret that the configuration holds."""

    value: str = attrs.field(repr=False)

    def read(self) -> str:
        """Give it."""
        return self.value

    def __str__(self) -> str:
        return "a given secret"


@attrs.frozen
class InFile:
    """A secret that is all of a file, but for one newline at its end."""

    path: str

    def read(self) -> str:
        """Read the file, which may have changed since the last time."""
        try:
            secret = Path(self.path).read_bytes().decode("utf-8")
        except OSError as error:
            raise NoCredentials(f"{self.path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise NoCredentials(f"{self.path}: not UTF-8 text") from None
        secret = _LAST_NEWLINE.sub("", secret)
        if not secret:
            raise NoCredentials(f"{self.path}: empty")
        return secret

    def __str__(self) -> str:
        return self.path


class Credentials(Protocol):
    """What the Mender Server is to know us by."""

    async def token(self, client: HTTPClient) -> str:
        """
        Get a token.

        :raises LoginRefused: the Mender Server doesn't take the credentials.
        :raises UpstreamError: there is none for another reason.
        """


@attrs.frozen
class UserAccount:
    """A user with a password, who has to log in."""

    name: str
    password: Secret

    async def token(self, client: HTTPClient) -> str:
        """Log in."""
        response = await client.post(LOGIN, auth=(self.name, self.password.read()))
        if response.code in (401, 403):
            raise LoginRefused(
                f"the Mender Server refuses the login of {self.name} ({response.code})"
            )
        pause = pause_asked(response)
        if pause is not None:
            raise Busy(f"the Mender Server puts off the login of {self.name}", pause)
        if response.code != 200:
            raise UpstreamError(f"the login of {self.name} is answered with {response.code}")
        token = (await response.content()).decode("latin-1").strip()
        if not _TOKEN.fullmatch(token):
            raise UpstreamError(f"the login of {self.name} is answered with something but a token")
        return token


@attrs.frozen
class AccessToken:
    """A personal access token: good as it is, until the Mender Server refuses it."""

    secret: Secret

    async def token(self, client: HTTPClient) -> str:
        """Read it."""
        token = self.secret.read().strip()
        if not _TOKEN.fullmatch(token):
            raise NoCredentials(f"{self.secret}: not a token")
        return token


class Session:
    """
    Has the token that the Mender Server knows us by, and gets a new one when that ends.

    After a refusal it stays away from the network for a while, 5 seconds at first and 5 minutes
    in the end. A token that is refused right after it was got counts as a refusal as well: else
    each call would log in anew.
    """

    log = Logger()

    def __init__(self, client: HTTPClient, credentials: Credentials, clock: IReactorTime):
        self._client = client
        self._credentials = credentials
        self._clock = clock
        self._logins: SingleFlight[None, str] = SingleFlight()
        self._token: str | None = None
        self._since = 0.0
        self._renewal = 0.0
        self._refusals = 0
        self._trouble: UpstreamError | None = None
        self._pause_end = 0.0

    async def token(self) -> str:
        """
        Give a token, after a login if need be: one login, however many wait for it.

        :raises LoginRefused: the Mender Server doesn't take our credentials, now or a while ago.
        :raises UpstreamError: there is none for another reason.
        """
        now = self._clock.seconds()
        if self._token is not None and now < self._renewal:
            return self._token
        if self._trouble is not None and now < self._pause_end:
            raise self._trouble.with_traceback(None)
        return await self._logins.run(None, self._renew)

    def refused(self, token: str) -> None:
        """
        Hear that the Mender Server refused a token; of one that is given up already, nothing.

        :param token: what the refused call carried.
        """
        if token == self._token and not self._give_up():
            self._pause(LoginRefused("the Mender Server refuses a token that is quite new"))

    async def _renew(self) -> str:
        self._give_up()
        try:
            token = await self._credentials.token(self._client)
        except UpstreamError as error:
            self._pause(error)
            raise
        self._token, self._trouble = token, None
        self._since = self._clock.seconds()
        self._renewal = self._since + time_of_use(token, self._since)
        return token

    def _give_up(self) -> bool:
        """Forget the token, and tell whether it was of use for a while."""
        proven = self._token is not None and self._clock.seconds() - self._since >= YOUNG
        if proven:
            self._refusals = 0
        self._token = None
        return proven

    def _pause(self, trouble: UpstreamError) -> None:
        pause = FIRST_PAUSE
        if isinstance(trouble, Busy):
            pause = trouble.retry_after
        elif isinstance(trouble, LoginRefused | NoCredentials):
            pause = min(FIRST_PAUSE * 2.0**self._refusals, LONGEST_PAUSE)
            self._refusals = min(self._refusals + 1, 16)
            self.log.error("{trouble}; next try in {pause:g} s", trouble=trouble, pause=pause)
        self._trouble = trouble
        self._pause_end = self._clock.seconds() + pause


def time_of_use(token: str, now: float) -> float:
    """
    Seconds after which a new token should take the place of a token that came now.

    That is five minutes before its end, or a tenth of its life when that is less. Of its times
    only the difference counts: the server's clock may be far from ours.

    :returns: infinity when it doesn't tell its end.
    """
    said = claims(token)
    try:
        life = float(said["exp"]) - float(said.get("iat", now))
    except (KeyError, TypeError, ValueError, OverflowError):
        return math.inf
    return max(life - min(300.0, life / 10), YOUNG) if math.isfinite(life) else math.inf
