"""Devices with a good certificate need no human to accept them: the gateway preauthorizes them."""

from __future__ import annotations

import enum
import hashlib
import math
import random
import re
from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from menderproxy.upstream.control import Busy
from menderproxy.upstream.device import Device
from menderproxy.upstream.errors import UpstreamError
from menderproxy.upstream.management import (
    Created,
    Existing,
    Management,
    NotAcceptable,
    NotPermitted,
)
from menderproxy.upstream.recent import Recent
from menderproxy.upstream.single_flight import SingleFlight
from menderproxy.wire.auth_request import AuthRequest

CAPACITY = 10_000

ACCEPTED_FOR = 24 * 3600.0
"""
Seconds that a device is remembered as accepted.

The Mender Server is asked for the token all the same, and its first refusal ends the memory, so
an old entry can do no harm; a day covers the restarts of a device, which asks for a token at
each, and lets go of those that are gone.
"""

FIRST_PAUSE = 30.0
LONGEST_PAUSE = 600.0

_UNPRINTABLE = re.compile(r"[^ -~]")


class Decision(enum.Enum):
    """What was done about a device; the value is its label in the metrics."""

    CACHED = "cached"
    """Nothing: what became of it is known from a while ago."""
    CREATED = "created"
    """The Mender Server didn't know it; now it is preauthorized."""
    KNOWN = "known"
    """Nothing: its key is accepted or preauthorized, and force would take its token."""
    FORCED = "forced"
    """The device waited for a human, or has a new key; now that key is preauthorized."""
    ACCEPTED = "accepted"
    """The same on a server before 4.0, which has no force: its pending key is accepted."""
    RESPECTED = "respected"
    """Nothing: a human rejected it."""
    LEFT = "left"
    """Nothing: it can't be done, or we may not."""
    FAILED = "failed"
    """The Mender Server could not be asked; the device has to come again."""


class Unprovisioned(Exception):
    """
    The device can't be let in now, and should come again.

    :ivar retry_after: in how many seconds.
    """

    def __init__(self, retry_after: int):
        super().__init__(f"come again in {retry_after} s")
        self.retry_after = retry_after


@attrs.frozen
class _Pause:
    """Until when the Mender Server isn't asked about a device, and for how long after that."""

    end: float
    following: float

    def after_refusal(self, now: float) -> _Pause:
        following = min(max(2 * self.following, FIRST_PAUSE), LONGEST_PAUSE)
        return _Pause(now + self.following, following)


class Preauthorization:
    """
    Makes sure that the Mender Server lets a device in, asking it as rarely as possible.

    :param jitter: a random number from 0 to 1: devices turned away together come back apart.
    :param cache: whether devices that were let in are remembered.
    :param decided: told of each decision.
    :param capacity: how many devices are remembered.
    """

    log = Logger()

    def __init__(
        self,
        management: Management,
        clock: IReactorTime,
        jitter: Callable[[], float] = random.random,
        cache: bool = True,
        *,
        decided: Callable[[Decision], object] = lambda decision: None,
        capacity: int = CAPACITY,
    ):
        self._management = management
        self._clock = clock
        self._jitter = jitter
        self._cache = cache
        self._decided = decided
        self._accepted_until: Recent[float] = Recent(capacity)
        self._pauses: Recent[_Pause] = Recent(capacity)
        self._flights: SingleFlight[bytes, None] = SingleFlight()

    async def ensure(self, request: AuthRequest, certificate: str) -> None:
        """
        Return when an auth request may be forwarded, whatever will be answered to it.

        :param certificate: what the device proved to be, for the log.
        :raises Unprovisioned: it must not be forwarded: the device should come again.
        """
        who = _fingerprint(request)
        if self._is_settled(who):
            self._decided(Decision.CACHED)
        else:
            await self._flights.run(who, lambda: self._provision(who, request, certificate))

    def outcome(self, request: AuthRequest, status: int) -> None:
        """
        Hear what the Mender Server answered to an auth request that was forwarded.

        :param status: of the answer.
        """
        who, now = _fingerprint(request), self._clock.seconds()
        if status == 200:
            self._pauses.pop(who)
            if self._cache:
                self._accepted_until.put(who, now + ACCEPTED_FOR)
        elif status == 401 and self._accepted_until.pop(who) is None:
            pause = self._pauses.get(who) or _Pause(now, FIRST_PAUSE)
            if now >= pause.end:
                self._pauses.put(who, pause.after_refusal(now))

    def _is_settled(self, who: bytes) -> bool:
        now = self._clock.seconds()
        pause = self._pauses.get(who)
        return now < (self._accepted_until.get(who) or 0.0) or (
            pause is not None and now < pause.end
        )

    async def _provision(self, who: bytes, request: AuthRequest, certificate: str) -> None:
        try:
            decision = await self._decide(who, request)
        except (NotPermitted, NotAcceptable) as error:
            self._report(Decision.LEFT, request, certificate, str(error))
        except UpstreamError as error:
            self._report(Decision.FAILED, request, certificate, str(error))
            raise Unprovisioned(self._retry_after(error)) from None
        else:
            self._report(decision, request, certificate)

    async def _decide(self, who: bytes, request: AuthRequest) -> Decision:
        known = await self._management.preauthorize(request.identity, request.pubkey)
        if isinstance(known, Created):
            return Decision.CREATED
        decision = judge(known.device, request.key)
        if decision is not Decision.FORCED:
            return decision
        known = await self._management.preauthorize(request.identity, request.pubkey, force=True)
        if isinstance(known, Created):
            return Decision.FORCED
        return await self._accept(who, request, known)

    async def _accept(self, who: bytes, request: AuthRequest, known: Existing) -> Decision:
        """Do without force, which servers before 4.0 ignore."""
        device = known.device
        decision = judge(device, request.key)
        if device is None or decision is not Decision.FORCED:
            return decision
        for auth_set in device.auth_sets:
            if auth_set.key_hash == request.key:
                accepted = await self._management.accept(device.id, auth_set.id)
                return Decision.ACCEPTED if accepted else Decision.LEFT
        # The request that is forwarded now makes a pending set, and its first refusal is nothing
        # to wait for: the next request finds that set.
        if self._pauses.get(who) is None:
            self._pauses.put(who, _Pause(0.0, 0.0))
        return Decision.LEFT

    def _retry_after(self, error: UpstreamError) -> int:
        asked = error.retry_after if isinstance(error, Busy) else 0.0
        return math.ceil(max(asked, 5 + 25 * self._jitter()))

    def _report(
        self, decision: Decision, request: AuthRequest, certificate: str, reason: str = ""
    ) -> None:
        report = self.log.warn if decision is Decision.FAILED else self.log.info
        report(
            "preauthorization {decision}: device {device}, key {key}, {certificate}{reason}",
            decision=decision.value,
            device=loggable(request.identity_text),
            key=request.key.hex()[:16],
            certificate=loggable(certificate),
            reason=f": {reason}" if reason else "",
        )
        self._decided(decision)


def judge(device: Device | None, key: bytes) -> Decision:
    """
    Decide about a device that the Mender Server knows.

    The device's own status would not do: the Mender Server ranks pending above rejected there,
    so that a device with a new key would overrule the human who rejected the old one.

    :param device: ``None`` when we may not see it.
    :param key: the hash of the key that it comes with.
    :returns: ``FORCED`` when its key should be preauthorized by force, or why nothing is to be
        done.
    """
    if device is None or device.decommissioning:
        return Decision.LEFT
    statuses = {auth_set.status for auth_set in device.auth_sets}
    own = {auth_set.status for auth_set in device.auth_sets if auth_set.key_hash == key}
    if own & {"accepted", "preauthorized"}:
        return Decision.KNOWN
    if "rejected" in own or ("rejected" in statuses and "accepted" not in statuses):
        return Decision.RESPECTED
    return Decision.FORCED if own <= {"pending"} else Decision.LEFT


def _fingerprint(request: AuthRequest) -> bytes:
    """Identity and key, whatever their length, in 64 bytes."""
    return hashlib.sha256(request.identity_text.encode("ascii")).digest() + request.key


def loggable(text: str) -> str:
    """What a device says of itself as it may stand in a log."""
    return _UNPRINTABLE.sub("?", text[:200])
