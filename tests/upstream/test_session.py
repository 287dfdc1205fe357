"""The service user's token: one login for all, at the right time, and no secret told."""

from __future__ import annotations

import base64
import json
import math

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.control import Busy
from menderproxy.upstream.errors import UpstreamError, UpstreamUnavailable
from menderproxy.upstream.session import (
    AccessToken,
    Given,
    InFile,
    LoginRefused,
    NoCredentials,
    UserAccount,
    time_of_use,
)
from tests.upstream.mender import LOGIN, PASSWORD, SessionTestCase

WEEK = 604800


def jwt(**claims: object) -> str:
    """Make a token that says this."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2lnbmF0dXJl"


class LoginTests(SessionTestCase):
    """When there is a login, and when there is none."""

    def test_login(self) -> None:
        """The user logs in with name and password, and what the server answers is the token."""
        asked = self.ask()
        call = self.mender.next(LOGIN)
        basic = base64.b64encode(f"gateway@example.com:{PASSWORD}".encode()).decode()
        self.assertEqual(call.authorization, f"Basic {basic}")
        self.assertIsNone(call.wish)
        call.answer(200, b"a.b.c\n", Content_Type="application/jwt")
        self.assertEqual(self.successResultOf(asked), "a.b.c")

    def test_kept(self) -> None:
        """There is no second login while the token is good."""
        self.login("a.b.c")
        self.clock.advance(10 * WEEK)
        self.assertEqual(self.successResultOf(self.ask()), "a.b.c")
        self.assertEqual(self.mender.count(LOGIN), 1)

    def test_one_at_a_time(self) -> None:
        """All who ask during a login wait for that one, and one of them may go away."""
        asked = [self.ask() for _ in range(100)]
        asked[0].cancel()
        self.failureResultOf(asked[0], CancelledError)
        self.mender.next(LOGIN).answer(200, b"a.b.c")
        self.assertEqual({self.successResultOf(each) for each in asked[1:]}, {"a.b.c"})
        self.assertEqual(len(self.mender.calls), 1)

    def test_not_a_token(self) -> None:
        """An answer that can't be a token is none, whatever its status."""
        for content in (b"", b"<html> </html>", b"a" * 8193, b"a\r\nX: y", "ü".encode()):
            session = self.session_of(UserAccount("gateway@example.com", Given(PASSWORD)))
            asked = Deferred.fromCoroutine(session.token())
            self.mender.next(LOGIN).answer(200, content)
            self.failureResultOf(asked, UpstreamError)


class RenewalTests(SessionTestCase):
    """The token is renewed before its end."""

    def test_before_the_end(self) -> None:
        """Five minutes before the end there is a login, though the server's clock is wrong."""
        first = jwt(iat=1000, exp=1000 + WEEK)
        self.login(first)
        self.clock.advance(WEEK - 301)
        self.assertEqual(self.successResultOf(self.ask()), first)
        self.clock.advance(1)
        self.assertEqual(self.login("second"), "second")

    def test_times(self) -> None:
        """A short life loses a tenth; no life is so short that each call would log in."""
        for claims, seconds in (
            ({"exp": 1600, "iat": 1000}, 540),
            ({"exp": 1600}, 540),
            ({"exp": 1001}, 60),
            ({"exp": 500}, 60),
            ({"iat": 1000}, math.inf),
            ({"exp": "soon"}, math.inf),
            ({"exp": None}, math.inf),
            ({"exp": math.nan}, math.inf),
            ({"exp": 10**400}, math.inf),
        ):
            self.assertEqual(time_of_use(jwt(**claims), 1000), seconds, claims)

    def test_unreadable(self) -> None:
        """A token that isn't a readable JSON Web Token is good until it is refused."""
        for token in ("opaque", "a.b.c", "a.!.c", "a.W10.c", "a." + "Wx" * 4000 + ".c"):
            self.assertEqual(time_of_use(token, 1000), math.inf)


class RefusalTests(SessionTestCase):
    """What follows a refused token."""

    def test_dropped_once(self) -> None:
        """After a refusal there is one login, though all calls under way were refused."""
        self.login("first")
        self.clock.advance(60)
        self.session.refused("first")
        self.session.refused("first")
        self.login("second")
        self.session.refused("first")
        self.assertEqual(self.successResultOf(self.ask()), "second")

    def test_a_new_token_refused(self) -> None:
        """A token refused right after the login doesn't lead to one login for each call."""
        self.login("first")
        self.clock.advance(59)
        self.session.refused("first")
        self.failureResultOf(self.ask(), LoginRefused)
        self.clock.advance(5)
        self.login("second")
        self.session.refused("second")
        self.clock.advance(9.9)
        self.failureResultOf(self.ask(), LoginRefused)
        self.clock.advance(0.1)
        self.login("third")
        self.assertEqual(self.mender.count(LOGIN), 3)


class PauseTests(SessionTestCase):
    """A login that failed is not tried again at once."""

    def test_refused(self) -> None:
        """The pauses grow from 5 seconds to 5 minutes, and nothing is sent meanwhile."""
        for pause in (5, 10, 20, 40, 80, 160, 300, 300):
            self.refuse_login()
            self.clock.advance(pause - 0.1)
            self.failureResultOf(self.ask(), LoginRefused)
            self.assertEqual(self.mender.waiting, [])
            self.clock.advance(0.1)
        self.assertEqual(self.login("a.b.c"), "a.b.c")

    def test_small_again(self) -> None:
        """A token that was good for a while ends the memory of earlier refusals."""
        for pause in (5, 10, 20):
            self.refuse_login()
            self.clock.advance(pause)
        self.login("a.b.c")
        self.clock.advance(60)
        self.session.refused("a.b.c")
        self.refuse_login()
        self.clock.advance(5)
        self.assertEqual(self.login("d.e.f"), "d.e.f")

    def test_what_is_said(self) -> None:
        """Log and error name the user and the status, never the password."""
        error = self.refuse_login()
        said = "the Mender Server refuses the login of gateway@example.com (401)"
        self.assertEqual(str(error), said)
        self.assertIn(f"{said}; next try in 5 s", self.logged)
        self.assertNotIn("s3cret", "".join(self.logged))

    def test_forbidden(self) -> None:
        """A login that is forbidden is refused just as well."""
        asked = self.ask()
        self.mender.next(LOGIN).answer(403)
        self.failureResultOf(asked, LoginRefused)

    def test_too_many(self) -> None:
        """A server that asks for a pause gets it."""
        asked = self.ask()
        self.mender.next(LOGIN).answer(429, Retry_After="90")
        self.assertEqual(self.failureResultOf(asked, Busy).value.retry_after, 90)
        self.clock.advance(89)
        self.failureResultOf(self.ask(), Busy)
        self.clock.advance(1)
        self.login("a.b.c")

    def test_trouble(self) -> None:
        """Any other failure is followed by a short pause each time."""
        for failed in range(4):
            asked = self.ask()
            call = self.mender.next(LOGIN)
            if failed % 2:
                call.answer(500)
            else:
                call.fail(UpstreamUnavailable("cut"))
            self.failureResultOf(asked, UpstreamError)
            self.failureResultOf(self.ask(), UpstreamError)
            self.clock.advance(5)
        self.login("a.b.c")


class FileTests(SessionTestCase):
    """Secrets in files."""

    def test_password(self) -> None:
        """The password is the whole file but for one newline, read anew at each login."""
        path = self.temporary(b"")
        self.session = self.session_of(UserAccount("u", InFile(str(path))))
        for content, password in (
            (b" a b", b" a b"),
            (b"a\n", b"a"),
            (b"a\n\n", b"a\n"),
            (b"a\r\n", b"a"),
            ("ü".encode(), "ü".encode()),
        ):
            path.write_bytes(content)
            asked = self.ask()
            call = self.mender.next(LOGIN)
            basic = base64.b64decode(call.authorization.removeprefix("Basic "))
            self.assertEqual(basic, b"u:" + password)
            call.answer(200, b"token")
            self.clock.advance(60)
            self.session.refused(self.successResultOf(asked))

    def test_unreadable(self) -> None:
        """What is wrong with a file is said with its name, and not at each call."""
        missing = self.mktemp()
        for path, why in (
            (missing, "No such file or directory"),
            (str(self.temporary(b"\n")), "empty"),
            (str(self.temporary(b"s3cret\xff")), "not UTF-8 text"),
        ):
            self.session = self.session_of(UserAccount("u", InFile(path)))
            error = self.failureResultOf(self.ask(), NoCredentials).value
            self.assertEqual(str(error), f"{path}: {why}")
            self.failureResultOf(self.ask(), NoCredentials)
            self.assertEqual(self.logged.count(f"{path}: {why}; next try in 5 s"), 1)
        self.assertEqual(self.mender.calls, [])


class AccessTokenTests(SessionTestCase):
    """Personal access tokens."""

    def test_given(self) -> None:
        """A given token needs no login."""
        self.session = self.session_of(AccessToken(Given("s3cret")))
        self.assertEqual(self.successResultOf(self.ask()), "s3cret")
        self.assertEqual(self.mender.calls, [])

    def test_read_again(self) -> None:
        """After a refusal the file is read again, and only then."""
        path = self.temporary(b"first\n")
        self.session = self.session_of(AccessToken(InFile(str(path))))
        self.assertEqual(self.successResultOf(self.ask()), "first")
        path.write_bytes(b"second")
        self.clock.advance(60)
        self.assertEqual(self.successResultOf(self.ask()), "first")
        self.session.refused("first")
        self.assertEqual(self.successResultOf(self.ask()), "second")

    def test_refused_for_good(self) -> None:
        """The same token is tried again once, and from then on after growing pauses."""
        self.session = self.session_of(AccessToken(Given("s3cret")))
        self.successResultOf(self.ask())
        self.clock.advance(WEEK)
        self.session.refused("s3cret")
        for pause in (5, 10, 20):
            self.assertEqual(self.successResultOf(self.ask()), "s3cret")
            self.session.refused("s3cret")
            self.clock.advance(pause - 0.1)
            self.failureResultOf(self.ask(), LoginRefused)
            self.clock.advance(0.1)
        self.assertNotIn("s3cret", "".join(self.logged))

    def test_not_a_token(self) -> None:
        """What no token looks like is not sent, and not quoted either."""
        path = self.temporary(b"s3cret one\n")
        for secret in (Given("s3cret one"), InFile(str(path))):
            self.session = self.session_of(AccessToken(secret))
            error = self.failureResultOf(self.ask(), NoCredentials).value
            self.assertEqual(str(error), f"{secret}: not a token")
            self.assertNotIn("s3cret", str(error))


class SecrecyTests(SynchronousTestCase):
    """Secrets don't show."""

    def test_repr(self) -> None:
        """Neither password nor token is part of how the credentials show themselves."""
        for credentials in (UserAccount("u", Given("s3cret")), AccessToken(Given("s3cret"))):
            self.assertNotIn("s3cret", f"{credentials!r} {credentials}")
