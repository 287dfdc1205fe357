"""The Mender Server's side of the gateway's own calls, played by the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from menderproxy.upstream.control import ControlClient, WholeResponse
from menderproxy.upstream.session import (
    Credentials,
    Given,
    LoginRefused,
    Session,
    UserAccount,
)

LOGIN = "POST /api/management/v1/useradm/auth/login"
PASSWORD = "pass:wörd-s3cret"
DEVICES = "/api/management/v2/devauth/devices"


class Call:
    """
    One call, which waits for its answer.

    :ivar request: method and path.
    :ivar authorization: the header's value.
    :ivar wish: the JSON that it carries.
    """

    def __init__(self, method: bytes, path: bytes, headers: Headers, body: bytes | None):
        self.request = f"{method.decode()} {path.decode()}"
        self.headers = headers
        self.wish: Any = json.loads(body) if body else None
        self.answered: Deferred[IResponse] = Deferred()

    @property
    def authorization(self) -> str:
        """What the call shows to be let in."""
        return str((self.headers.getRawHeaders("authorization") or [""])[-1])

    def answer(self, code: int, content: object = b"", **headers: str) -> None:
        """
        Answer it.

        :param content: bytes, or something to be written as JSON.
        :param headers: with ``_`` for ``-``.
        """
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.answered.callback(cast(IResponse, WholeResponse(code, raw, body)))

    def fail(self, error: Exception) -> None:
        """Let it fail."""
        self.answered.errback(error)


@implementer(IAgent)
class FakeMender:
    """
    Takes calls.

    :ivar client: what makes them.
    :ivar calls: all of them ever.
    :ivar waiting: those that were neither answered by :attr:`role` nor taken by the test.
    :ivar role: answers calls as they come; ``None`` to leave that to the test.
    """

    def __init__(self, clock: Clock):
        self.client = ControlClient(clock, self)
        self.calls: list[Call] = []
        self.waiting: list[Call] = []
        self.role: Callable[[Call], None] | None = None

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Take a call."""
        body = cast("bytes | None", bodyProducer)
        call = Call(method, uri, headers or Headers(), body)
        self.calls.append(call)
        if self.role is None:
            self.waiting.append(call)
        else:
            self.role(call)
        return call.answered

    def next(self, request: str) -> Call:
        """Take the oldest call that waits, which must be this one."""
        call = self.waiting.pop(0)
        if call.request != request:
            raise AssertionError(f"{call.request} instead of {request}")
        return call

    def count(self, request: str) -> int:
        """How many calls of one kind there were."""
        return [call.request for call in self.calls].count(request)


@implementer(ILogObserver)
class _Lines:
    """Writes the log to a list."""

    def __init__(self, lines: list[str]):
        self._lines = lines

    def __call__(self, event: LogEvent) -> None:
        self._lines.append(formatEvent(event))


class SessionTestCase(SynchronousTestCase):
    """Has a session with a server that the test plays."""

    def setUp(self) -> None:
        """Make it, and listen to the log."""
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.mender = FakeMender(self.clock)
        self.session = self.session_of(UserAccount("gateway@example.com", Given(PASSWORD)))
        self.logged: list[str] = []  # at all levels
        observer = _Lines(self.logged)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def session_of(self, credentials: Credentials) -> Session:
        """Make another session."""
        return Session(self.mender.client, credentials, self.clock)

    def ask(self) -> Deferred[str]:
        """Ask for the token."""
        return Deferred.fromCoroutine(self.session.token())

    def login(self, token: str) -> str:
        """Ask for the token, which takes a login."""
        asked = self.ask()
        self.mender.next(LOGIN).answer(200, token.encode())
        return self.successResultOf(asked)

    def refuse_login(self) -> LoginRefused:
        """Ask for the token, in vain."""
        asked = self.ask()
        self.mender.next(LOGIN).answer(401)
        error: LoginRefused = self.failureResultOf(asked, LoginRefused).value
        return error

    def temporary(self, content: bytes) -> Path:
        """Make a file."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return path
