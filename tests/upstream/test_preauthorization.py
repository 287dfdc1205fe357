"""Which devices are let in, at what cost, and which are not."""

from __future__ import annotations

import json

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.device import AuthSet, Device
from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.upstream.preauthorization import (
    Decision,
    Unprovisioned,
    judge,
)
from menderproxy.wire.auth_request import AuthRequest
from tests.upstream.mender import DEVICES, LOGIN, Call
from tests.upstream.provisioning import (
    CERTIFICATE,
    OTHER,
    PREAUTHORIZE,
    PreauthorizationTestCase,
    conflict,
)
from tests.wire.auth_requests import PEM, body

ACCEPT = f"PUT {DEVICES}/0a-1/auth/5e7/status"
STATUSES = ("pending", "preauthorized", "accepted", "rejected")


class DecisionTests(PreauthorizationTestCase):
    """One decision for each state that the device can be in."""

    def test_created(self) -> None:
        """A device that the server doesn't know is let in."""
        self.assertIs(self.provision((201, b"")), Decision.CREATED)
        self.assertEqual(
            self.mender.calls[0].wish, {"identity_data": {"mac": "00:11"}, "pubkey": PEM}
        )

    def test_known(self) -> None:
        """A key that is good already is never forced: that would take its live token."""
        for status in ("accepted", "preauthorized"):
            answer = (409, conflict((OTHER, "rejected"), (PEM, status)))
            self.assertIs(self.provision(answer), Decision.KNOWN)

    def test_forced(self) -> None:
        """A device that only waits for a human, or has no keys at all, is let in by force."""
        for sets in ([(PEM, "pending")], [(OTHER, "pending")], []):
            decision = self.provision((409, conflict(*sets)), (201, b""))
            self.assertIs(decision, Decision.FORCED)
            self.assertIs(self.mender.calls[1].wish["force"], True)

    def test_rotated(self) -> None:
        """A new key of an accepted device is let in by force."""
        for sets in ([], [(PEM, "pending")], [(OTHER, "rejected")]):
            answer = (409, conflict((OTHER, "accepted"), *sets))
            self.assertIs(self.provision(answer, (201, b"")), Decision.FORCED)

    def test_respected(self) -> None:
        """What a human rejected stays rejected, whatever other keys there are."""
        for sets in (
            [(PEM, "rejected")],
            [(PEM, "rejected"), (OTHER, "accepted")],
            [(OTHER, "rejected")],
            [(OTHER, "rejected"), (PEM, "pending")],
            [(OTHER, "rejected"), (OTHER, "preauthorized")],
        ):
            self.assertIs(self.provision((409, conflict(*sets))), Decision.RESPECTED)

    def test_left(self) -> None:
        """A device that can't be helped is left to the server's own answer."""
        for answer in (
            (409, conflict((PEM, "pending"), decommissioning=True)),
            (409, conflict((PEM, "some new status"))),
            (409, {"error": "exists"}),
            (400, b""),
            (403, b""),
        ):
            self.assertIs(self.provision(answer), Decision.LEFT)

    def test_unseen(self) -> None:
        """A device whose keys we may not see is never forced."""
        unseen = {**conflict(), "auth_sets": None}
        self.assertIs(self.provision((409, unseen), (403, b"")), Decision.LEFT)

    def test_keys_in_a_second_answer(self) -> None:
        """A real server's conflict doesn't tell the keys; they are asked for."""
        unseen = {**conflict(), "auth_sets": None}
        seen = conflict((PEM, "accepted"))
        self.assertIs(self.provision((409, unseen), (200, seen)), Decision.KNOWN)


class OldServerTests(PreauthorizationTestCase):
    """Servers before 4.0 ignore force."""

    PENDING = (409, conflict((PEM, "pending")))
    NONE = (409, conflict())

    def test_accepted(self) -> None:
        """The pending key is accepted instead."""
        decision = self.provision(self.PENDING, self.PENDING, (204, b""))
        self.assertIs(decision, Decision.ACCEPTED)
        self.assertEqual(self.mender.calls[2].request, ACCEPT)

    def test_not_permitted(self) -> None:
        """Without the permission, the device waits for a human."""
        decision = self.provision(self.PENDING, self.PENDING, (403, b""))
        self.assertIs(decision, Decision.LEFT)

    def test_found_at_the_next_request(self) -> None:
        """A key is pending once its request was forwarded; the next one comes soon enough."""
        self.assertIs(self.provision(self.NONE, self.NONE), Decision.LEFT)
        self.preauthorization.outcome(self.request, 401)
        decision = self.provision(self.PENDING, self.PENDING, (204, b""))
        self.assertIs(decision, Decision.ACCEPTED)

    def test_never_found(self) -> None:
        """A key that doesn't become pending is asked about less and less often all the same."""
        for _ in range(2):
            self.provision(self.NONE, self.NONE)
            self.preauthorization.outcome(self.request, 401)
        self.assertIs(self.provision(), Decision.CACHED)

    def test_rejected_meanwhile(self) -> None:
        """A human who rejects the device between the two calls is respected."""
        decision = self.provision(self.PENDING, (409, conflict((PEM, "rejected"))))
        self.assertIs(decision, Decision.RESPECTED)


class JudgementTests(SynchronousTestCase):
    """The rules, over all states of two keys."""

    def test_never_by_force(self) -> None:
        """Force is never used on a good key, nor on a rejected one, nor over a rejection."""
        for own in (*STATUSES, None):
            for other in (*STATUSES, None):
                sets = [AuthSet("1", b"own", own)] if own else []
                sets += [AuthSet("2", b"other", other)] if other else []
                decision = judge(Device("d", False, tuple(sets)), b"own")
                harmless = own in (None, "pending") and other != "rejected"
                self.assertEqual(decision is Decision.FORCED, harmless, (own, other))


class MemoryTests(PreauthorizationTestCase):
    """Who is remembered, and for how long."""

    def accept(self) -> None:
        """Let the device in."""
        self.provision((201, b""))
        self.preauthorization.outcome(self.request, 200)

    def test_accepted(self) -> None:
        """A device that got its token costs nothing for a day."""
        self.accept()
        self.clock.advance(86399)
        self.assertIs(self.provision(), Decision.CACHED)
        self.clock.advance(1)
        self.assertIs(self.provision((409, conflict((PEM, "accepted")))), Decision.KNOWN)

    def test_only_with_the_cache(self) -> None:
        """Without the cache each request is asked about."""
        self.preauthorization = self.another(cache=False)
        self.accept()
        self.assertIs(self.provision((409, conflict((PEM, "accepted")))), Decision.KNOWN)

    def test_another_key(self) -> None:
        """The same identity with another key is another matter, and so is the reverse."""
        self.accept()
        for content in (body(pubkey=OTHER), body('{"mac":"22"}')):
            self.request = AuthRequest.parse(content)
            self.assertIs(self.provision((201, b"")), Decision.CREATED)

    def test_refused_after_all(self) -> None:
        """The first refusal of a remembered device makes the next request ask."""
        self.accept()
        self.preauthorization.outcome(self.request, 401)
        self.assertIs(self.provision((409, conflict((PEM, "rejected")))), Decision.RESPECTED)

    def test_other_answers(self) -> None:
        """Neither a busy nor a broken server says anything about the device."""
        for status in (400, 403, 429, 500, 503):
            self.preauthorization.outcome(self.request, status)
            self.provision((201, b""))
        self.accept()
        self.preauthorization.outcome(self.request, 503)
        self.assertIs(self.provision(), Decision.CACHED)

    def test_bounded(self) -> None:
        """Of more devices than there is room for, those heard of last are remembered."""
        self.preauthorization = self.another(capacity=2)
        requests = [AuthRequest.parse(body(json.dumps({"mac": mac}))) for mac in range(3)]
        for request in requests:
            self.preauthorization.outcome(request, 200)
        self.play((201, b""))
        for request in reversed(requests):
            self.successResultOf(self.ensure(request))
        self.assertEqual(self.decisions, [Decision.CACHED, Decision.CACHED, Decision.CREATED])


class PatienceTests(PreauthorizationTestCase):
    """A device that is refused again and again."""

    def refuse(self) -> None:
        """Let the device ask, and be refused by a human's decision."""
        self.provision((409, conflict((PEM, "rejected"))))
        self.preauthorization.outcome(self.request, 401)

    def test_growing(self) -> None:
        """It is asked about after 30 seconds, and then less and less often, to 10 minutes."""
        for pause in (30, 60, 120, 240, 480, 600, 600):
            self.refuse()
            self.clock.advance(pause - 0.1)
            self.assertIs(self.provision(), Decision.CACHED)
            self.preauthorization.outcome(self.request, 401)
            self.clock.advance(0.1)

    def test_cheap(self) -> None:
        """A rejected device that polls every 5 seconds for an hour costs 10 calls."""

        def role(call: Call) -> None:
            call.answer(409, conflict((PEM, "rejected")))

        self.mender.role = role
        for _ in range(720):
            self.successResultOf(self.ensure())
            self.preauthorization.outcome(self.request, 401)
            self.clock.advance(5)
        self.assertEqual(len(self.mender.calls), 10)
        self.assertEqual(len(self.audit_lines()), 10)

    def test_forgiven(self) -> None:
        """A device that was let in by a human is asked about again as if nothing had been."""
        for _ in range(2):
            self.refuse()
            self.clock.advance(60)
        self.preauthorization.outcome(self.request, 200)
        self.preauthorization.outcome(self.request, 401)
        for _ in range(2):
            self.refuse()
            self.assertNotEqual(self.decisions[-1], Decision.CACHED)
            self.clock.advance(30)


class TroubleTests(PreauthorizationTestCase):
    """A server that can't be asked."""

    def refused(self) -> Unprovisioned:
        """Let the device ask, in vain."""
        error: Unprovisioned = self.failureResultOf(self.ensure(), Unprovisioned).value
        self.assertIs(self.decisions[-1], Decision.FAILED)
        return error

    def test_come_again(self) -> None:
        """The device is told to come again, and that is all: the next request asks."""
        for code in (500, 503, 404):
            self.play((code, b""))
            self.assertEqual(self.refused().retry_after, 18)
        self.assertIs(self.provision((201, b"")), Decision.CREATED)

    def test_spread(self) -> None:
        """Devices come again after 5 to 30 seconds, each at another time."""
        for jitter, seconds in ((0.0, 5), (1.0, 30)):
            self.preauthorization = self.another(jitter=lambda jitter=jitter: jitter)
            self.play((500, b""))
            self.assertEqual(self.refused().retry_after, seconds)

    def test_server_asks_for_a_pause(self) -> None:
        """A longer pause that the server asks for is passed on."""
        self.mender.role = lambda call: call.answer(429, Retry_After="90")
        self.assertEqual(self.refused().retry_after, 90)

    def test_after_the_first_call(self) -> None:
        """Trouble between two calls is trouble."""
        self.play((409, conflict()), (500, b""))
        self.assertEqual(self.refused().retry_after, 18)

    def test_login_refused(self) -> None:
        """Without a login nothing can be done, and no device is told why."""
        self.clock.advance(60)
        self.session.refused("a.b.c")
        self.play((401, b""))
        self.assertEqual(str(self.refused()), "come again in 18 s")
        self.assertEqual(self.mender.calls[0].request, LOGIN)
        self.refused()
        self.assertEqual(len(self.mender.calls), 1)


class CrowdTests(PreauthorizationTestCase):
    """Many devices at once."""

    def test_twice_at_once(self) -> None:
        """A device that asks twice at once is asked about once, and may go away meanwhile."""
        asked = [self.ensure(), self.ensure()]
        asked[0].cancel()
        self.failureResultOf(asked[0], CancelledError)
        self.mender.next(PREAUTHORIZE).answer(201)
        self.successResultOf(asked[1])
        self.assertEqual(len(self.mender.calls), 1)
        self.assertEqual(self.decisions, [Decision.CREATED])

    def test_gone(self) -> None:
        """What was begun for a device that went away is brought to an end."""
        asked = self.ensure()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.mender.next(PREAUTHORIZE).fail(UpstreamUnavailable("cut"))
        self.assertEqual(self.decisions, [Decision.FAILED])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_thousand(self) -> None:
        """1,000 new devices cost 1,000 calls and one login, and nothing when they come again."""
        self.clock.advance(60)
        self.session.refused("a.b.c")
        requests = [AuthRequest.parse(body(json.dumps({"mac": mac}))) for mac in range(1000)]
        asked = [self.ensure(request) for request in requests]
        while self.mender.waiting:
            call = self.mender.waiting.pop(0)
            call.answer(*((200, b"d.e.f") if call.request == LOGIN else (201,)))
        for each, request in zip(asked, requests, strict=True):
            self.successResultOf(each)
            self.preauthorization.outcome(request, 200)
        counts = (self.mender.count(LOGIN), self.mender.count(PREAUTHORIZE))
        self.assertEqual(counts, (1, 1000))
        for request in requests:
            self.successResultOf(self.ensure(request))
        self.assertEqual(len(self.mender.calls), 1001)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class AuditTests(PreauthorizationTestCase):
    """What is written down."""

    def test_decision(self) -> None:
        """A decision is one line: what, which device, which key, by which certificate."""
        self.provision((201, b""))
        key = self.request.key.hex()[:16]
        self.assertEqual(
            self.audit_lines(),
            [f'preauthorization created: device {{"mac":"00:11"}}, key {key}, {CERTIFICATE}'],
        )

    def test_cached(self) -> None:
        """What is known from a while ago is not written down again."""
        self.preauthorization.outcome(self.request, 200)
        self.provision()
        self.assertEqual(self.audit_lines(), [])

    def test_reason(self) -> None:
        """A failure says why."""
        self.play((500, b""))
        self.failureResultOf(self.ensure(), Unprovisioned)
        (line,) = self.audit_lines()
        self.assertTrue(line.startswith("preauthorization failed: "))
        self.assertTrue(line.endswith(f": the Mender Server answers 500 to POST {DEVICES}"))

    def test_odd_names(self) -> None:
        """Names are written without control characters, and not at any length."""
        self.request = AuthRequest.parse(body(json.dumps({"a": "\n\x1b\x7f{}" + "x" * 1000})))
        self.certificate = "certificate 1 of CN=a\nb\x1b" + "x" * 1000
        self.provision((201, b""))
        (line,) = self.audit_lines()
        self.assertTrue(line.isprintable())
        self.assertLess(len(line), 500)

    def test_secrets(self) -> None:
        """Neither the token nor the password is ever written down."""
        self.play((500, b""), (401, b""), (401, b""))
        for _ in range(2):
            self.failureResultOf(self.ensure(), Unprovisioned)
        self.assertNotIn("a.b.c", "".join(self.logged))
        self.assertNotIn("s3cret", "".join(self.logged))
