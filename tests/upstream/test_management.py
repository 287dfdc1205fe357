"""The management calls: what is sent, and what each answer means."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from menderproxy.upstream.control import Busy
from menderproxy.upstream.device import AuthSet, Device
from menderproxy.upstream.errors import UpstreamError, UpstreamUnavailable
from menderproxy.upstream.management import (
    AT_ONCE,
    LONGEST_QUEUE,
    Created,
    Existing,
    Management,
    NotAcceptable,
    NotPermitted,
)
from menderproxy.upstream.session import AccessToken, Given, InFile, LoginRefused, UserAccount
from menderproxy.wire.auth_request import key_of
from tests.upstream.mender import DEVICES, LOGIN, Call, SessionTestCase
from tests.wire.auth_requests import PEM

PREAUTHORIZE = f"POST {DEVICES}"
ONE = f"GET {DEVICES}/0a-1"
IDENTITY: dict[str, object] = {"mac": "00:11"}


def device(**changes: object) -> dict[str, object]:
    """Describe a device as the server does."""
    auth_set = {"id": "5e7", "pubkey": PEM, "status": "pending", "ts": "2024-01-01T00:00:00Z"}
    whole = {"id": "0a-1", "identity_data": IDENTITY, "status": "pending", "auth_sets": [auth_set]}
    return {**whole, "decommissioning": False, **changes}


PENDING = Device("0a-1", False, (AuthSet("5e7", key_of(PEM), "pending"),))


class ManagementTestCase(SessionTestCase):
    """Has a client of the management API, with an access token."""

    def setUp(self) -> None:
        """Make it."""
        super().setUp()
        self.session = self.session_of(AccessToken(Given("t0ken")))
        self.management = Management(self.mender.client, self.session, self.clock)

    def preauthorize(self, force: bool = False) -> Deferred[Created | Existing]:
        """Call."""
        return Deferred.fromCoroutine(self.management.preauthorize(IDENTITY, PEM, force))

    def answered(self, code: int, content: object = b"", **headers: str) -> Deferred[Any]:
        """Call, and get this answer."""
        called = self.preauthorize()
        self.mender.next(PREAUTHORIZE).answer(code, content, **headers)
        return called


class PreauthorizeTests(ManagementTestCase):
    """Letting a device in."""

    def test_call(self) -> None:
        """Identity and key go out as they are, and of force nothing is said."""
        self.preauthorize()
        call = self.mender.next(PREAUTHORIZE)
        self.assertEqual(call.wish, {"identity_data": IDENTITY, "pubkey": PEM})
        self.assertEqual(call.authorization, "Bearer t0ken")
        (content_type,) = call.headers.getRawHeaders("content-type") or ()
        self.assertTrue(content_type.startswith("application/json"))

    def test_force(self) -> None:
        """Force is asked for when it is wanted."""
        self.preauthorize(force=True)
        self.assertIs(self.mender.next(PREAUTHORIZE).wish["force"], True)

    def test_created(self) -> None:
        """A new device is let in; where the server says it is means nothing."""
        called = self.answered(201, Location="devices/fresh-random")
        self.assertEqual(self.successResultOf(called), Created())

    def test_existing(self) -> None:
        """A conflict that shows the device's keys is all there is to know."""
        called = self.answered(409, device())
        self.assertEqual(self.successResultOf(called), Existing(PENDING))

    def test_auth_sets_left_out(self) -> None:
        """A conflict as real servers answer it, without auth sets, takes one more call."""
        called = self.answered(409, device(auth_sets=None))
        self.mender.next(ONE).answer(200, device())
        self.assertEqual(self.successResultOf(called), Existing(PENDING))

    def test_no_auth_sets(self) -> None:
        """A device whose keys were all dismissed has none."""
        called = self.answered(409, device(auth_sets=None))
        self.mender.next(ONE).answer(200, device(auth_sets=None))
        self.assertEqual(self.successResultOf(called), Existing(Device("0a-1", False, ())))

    def test_not_shown(self) -> None:
        """A device that we may not see, or that the conflict doesn't name, is unknown."""
        called = self.answered(409, device(auth_sets=None))
        self.mender.next(ONE).answer(403)
        self.assertEqual(self.successResultOf(called), Existing(None))
        called = self.answered(409, {"error": "device already exists", "request_id": "x"})
        self.assertEqual(self.successResultOf(called), Existing(None))

    def test_decommissioning(self) -> None:
        """A device on its way out says so."""
        existing = self.successResultOf(self.answered(409, device(decommissioning=True)))
        self.assertTrue(existing.device.decommissioning)

    def test_unreadable_key(self) -> None:
        """A key that we can't read is like no other."""
        sets = [{"id": "5e7", "pubkey": "-----BEGIN", "status": "accepted"}]
        existing = self.successResultOf(self.answered(409, device(auth_sets=sets)))
        self.assertEqual(existing.device.auth_sets, (AuthSet("5e7", None, "accepted"),))

    def test_unknown_shapes(self) -> None:
        """What doesn't describe a device, or could lead a path astray, is an error."""
        for content in (
            b"",
            b"[]",
            b"[" * 100_000,
            b"\xff",
            device(id=7),
            device(id="../../tenants"),
            device(id=""),
            device(auth_sets=7),
            device(auth_sets=["5e7"]),
            device(auth_sets=[{"id": "5e7", "pubkey": PEM}]),
            device(auth_sets=[{"id": "a/b", "pubkey": PEM, "status": "accepted"}]),
            device(auth_sets=[{"id": "5e7", "pubkey": 7, "status": "accepted"}]),
        ):
            self.failureResultOf(self.answered(409, content), UpstreamError)

    def test_vanished(self) -> None:
        """A device that is gone before we see it is an error: the next request finds it new."""
        called = self.answered(409, device(auth_sets=None))
        self.mender.next(ONE).answer(404)
        self.failureResultOf(called, UpstreamError)

    def test_not_acceptable(self) -> None:
        """What the server takes for malformed stays so."""
        for code in (400, 422):
            self.failureResultOf(self.answered(code), NotAcceptable)

    def test_unexpected(self) -> None:
        """Any other status is the server's trouble."""
        for code in (200, 404, 500, 502, 503):
            error = self.failureResultOf(self.answered(code), UpstreamError).value
            self.assertIn(f"answers {code} to POST {DEVICES}", str(error))


class AcceptTests(ManagementTestCase):
    """Accepting in place of a human."""

    def test_call(self) -> None:
        """The status of that key is set."""
        accepted = Deferred.fromCoroutine(self.management.accept("0a-1", "5e7"))
        call = self.mender.next(f"PUT {DEVICES}/0a-1/auth/5e7/status")
        self.assertEqual(call.wish, {"status": "accepted"})
        call.answer(204)
        self.assertIs(self.successResultOf(accepted), True)

    def test_in_vain(self) -> None:
        """Neither a missing permission nor a full server is an error."""
        for code in (403, 404, 405, 422):
            accepted = Deferred.fromCoroutine(self.management.accept("0a-1", "5e7"))
            self.mender.waiting.pop().answer(code)
            self.assertIs(self.successResultOf(accepted), False)

    def test_trouble(self) -> None:
        """A server that fails has not declined."""
        accepted = Deferred.fromCoroutine(self.management.accept("0a-1", "5e7"))
        self.mender.waiting.pop().answer(500)
        self.failureResultOf(accepted, UpstreamError)


class TokenTests(ManagementTestCase):
    """What happens when our own token is refused."""

    def setUp(self) -> None:
        """Log in, some time ago."""
        super().setUp()
        path = self.temporary(b"first")
        self.session = self.session_of(AccessToken(InFile(str(path))))
        self.management = Management(self.mender.client, self.session, self.clock)
        self.successResultOf(self.ask())
        path.write_bytes(b"second")
        self.clock.advance(60)

    def test_once_more(self) -> None:
        """The call is made once more with a new token."""
        called = self.answered(401)
        call = self.mender.next(PREAUTHORIZE)
        self.assertEqual(call.authorization, "Bearer second")
        call.answer(201)
        self.assertEqual(self.successResultOf(called), Created())

    def test_not_twice(self) -> None:
        """A new token that is refused as well ends it, for a while, for all."""
        called = self.answered(401)
        self.mender.next(PREAUTHORIZE).answer(401)
        error = self.failureResultOf(called, UpstreamError).value
        self.assertIn("answers 401", str(error))
        self.failureResultOf(self.preauthorize(), UpstreamError)
        self.assertEqual(self.mender.waiting, [])


class PermissionTests(ManagementTestCase):
    """A service user who may not do what it is for."""

    REMINDER = "the Mender Server does not permit the service user to preauthorize devices (403)"

    def reminders(self) -> int:
        """How often that was logged."""
        return sum(line.startswith(self.REMINDER) for line in self.logged)

    def test_once_an_hour(self) -> None:
        """What permission is missing is logged once an hour, however many devices ask."""
        for _ in range(3):
            self.failureResultOf(self.answered(403), NotPermitted)
        self.assertEqual(self.reminders(), 1)
        self.clock.advance(3599)
        self.failureResultOf(self.answered(403), NotPermitted)
        self.assertEqual(self.reminders(), 1)
        self.clock.advance(1)
        self.failureResultOf(self.answered(403), NotPermitted)
        self.assertEqual(self.reminders(), 2)


class LoadTests(ManagementTestCase):
    """The server is not asked for more than it can do."""

    def setUp(self) -> None:
        """See to it that no call is left waiting for its turn."""
        super().setUp()
        self.addCleanup(self.finish)

    def finish(self) -> None:
        """Answer what waits, and what comes then."""
        self.mender.role = lambda call: call.answer(201)
        for call in self.mender.waiting:
            call.answer(201)

    def test_at_once(self) -> None:
        """At most 16 calls are under way; the next starts when one of them ends."""
        called = [self.preauthorize() for _ in range(20)]
        self.assertEqual(len(self.mender.waiting), AT_ONCE)
        self.mender.next(PREAUTHORIZE).fail(UpstreamUnavailable("cut"))
        self.failureResultOf(called[0], UpstreamUnavailable)
        self.assertEqual(len(self.mender.waiting), AT_ONCE)
        self.assertEqual(len(self.mender.calls), AT_ONCE + 1)

    def test_gone_while_waiting(self) -> None:
        """A call that is given up while it waits for its turn leaves nothing behind."""
        called = [self.preauthorize() for _ in range(AT_ONCE + 1)]
        called[-1].cancel()
        self.failureResultOf(called[-1], CancelledError)
        for _ in range(AT_ONCE):
            self.mender.next(PREAUTHORIZE).answer(201)
        self.assertEqual(len(self.mender.calls), AT_ONCE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slow(self) -> None:
        """A turn that doesn't come within 20 seconds is waited for no longer."""
        called = [self.preauthorize() for _ in range(AT_ONCE + 1)]
        self.clock.advance(19)
        self.assertNoResult(called[-1])
        self.clock.advance(1)
        self.failureResultOf(called[-1], Busy)
        self.assertNoResult(called[0])

    def test_too_many(self) -> None:
        """The queue is bounded."""
        called = [self.preauthorize() for _ in range(AT_ONCE + LONGEST_QUEUE)]
        self.failureResultOf(self.preauthorize(), Busy)
        self.assertNoResult(called[-1])

    def test_pause(self) -> None:
        """While the server asks for a pause nothing is sent, not even what waited already."""
        called = [self.preauthorize() for _ in range(AT_ONCE + 1)]
        self.mender.next(PREAUTHORIZE).answer(429, Retry_After="120")
        self.assertEqual(self.failureResultOf(called[0], Busy).value.retry_after, 120)
        self.failureResultOf(called[-1], Busy)
        self.clock.advance(119)
        self.assertEqual(self.failureResultOf(self.preauthorize(), Busy).value.retry_after, 1)
        self.assertEqual(len(self.mender.calls), AT_ONCE)
        self.clock.advance(1)
        self.preauthorize()
        self.assertEqual(len(self.mender.calls), AT_ONCE + 1)

    def test_what_was_under_way(self) -> None:
        """A call that succeeds during a pause has succeeded, and the pause goes on."""
        refused, succeeding = self.preauthorize(), self.preauthorize()
        self.mender.next(PREAUTHORIZE).answer(429, Retry_After="120")
        self.failureResultOf(refused, Busy)
        self.mender.next(PREAUTHORIZE).answer(201)
        self.assertEqual(self.successResultOf(succeeding), Created())
        self.failureResultOf(self.preauthorize(), Busy)

    def test_two_pauses(self) -> None:
        """A shorter pause that another answer asks for doesn't shorten the first."""
        called = [self.preauthorize(), self.preauthorize()]
        for each, seconds in zip(called, ("120", "1"), strict=True):
            self.mender.next(PREAUTHORIZE).answer(429, Retry_After=seconds)
            self.failureResultOf(each, Busy)
        self.clock.advance(119)
        self.failureResultOf(self.preauthorize(), Busy)

    def test_no_login_during_a_pause(self) -> None:
        """During a pause there is no login either."""
        self.session = self.session_of(UserAccount("u", Given("p")))
        self.login("a.b.c")
        self.management = Management(self.mender.client, self.session, self.clock)
        self.failureResultOf(self.answered(429, Retry_After="120"), Busy)
        self.clock.advance(60)
        self.session.refused("a.b.c")
        self.failureResultOf(self.preauthorize(), Busy)
        self.assertEqual(self.mender.waiting, [])

    def test_a_crowd_that_has_to_go(self) -> None:
        """However many wait, all of them hear of the pause."""
        called = [self.preauthorize() for _ in range(AT_ONCE + LONGEST_QUEUE)]
        self.mender.next(PREAUTHORIZE).answer(429)
        for each in called[AT_ONCE:]:
            self.failureResultOf(each, Busy)
        self.failureResultOf(called[0], Busy)

    def test_unavailable_for_a_while(self) -> None:
        """A server that says when it is back is asked then."""
        self.failureResultOf(self.answered(503, Retry_After="7"), Busy)
        self.failureResultOf(self.preauthorize(), Busy)
        self.clock.advance(7)
        self.successResultOf(self.answered(201))


class LoginTests(SessionTestCase):
    """Calls with a session that has to log in."""

    def test_one_login(self) -> None:
        """The first calls wait for one login."""

        def role(call: Call) -> None:
            if call.request != LOGIN:
                call.answer(201)
            else:
                self.mender.waiting.append(call)

        self.mender.role = role
        management = Management(self.mender.client, self.session, self.clock)
        called = [Deferred.fromCoroutine(management.preauthorize(IDENTITY, PEM)) for _ in range(50)]
        self.mender.next(LOGIN).answer(200, b"a.b.c")
        for each in called:
            self.successResultOf(each)
        self.assertEqual((self.mender.count(LOGIN), len(self.mender.calls)), (1, 51))

    def test_no_login(self) -> None:
        """However many wait for a login, all of them hear that it was refused."""
        management = Management(self.mender.client, self.session, self.clock)
        called = [
            Deferred.fromCoroutine(management.preauthorize(IDENTITY, PEM)) for _ in range(1000)
        ]
        self.mender.next(LOGIN).answer(401)
        for each in called:
            self.failureResultOf(each, LoginRefused)
        self.assertEqual(len(self.mender.calls), 1)

    def test_pause_during_the_login(self) -> None:
        """A call that had to wait for a token is not made during a pause."""
        management = Management(self.mender.client, self.session, self.clock)
        self.login("first")
        self.clock.advance(60)
        early = Deferred.fromCoroutine(management.preauthorize(IDENTITY, PEM))
        self.session.refused("first")
        late = Deferred.fromCoroutine(management.preauthorize(IDENTITY, PEM))
        login = self.mender.waiting.pop()
        self.mender.next(PREAUTHORIZE).answer(429)
        self.failureResultOf(early, Busy)
        login.answer(200, b"second")
        self.failureResultOf(late, Busy)
        self.assertEqual(self.mender.count(PREAUTHORIZE), 1)
