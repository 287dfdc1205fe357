"""Why a device does not get in."""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs
from twisted.logger import Logger


class Reason(enum.Enum):
    """A rule that a connection broke; the value is its label in the metrics."""

    NO_CERTIFICATE = "no_certificate"
    UNKNOWN_AUTHORITY = "unknown_authority"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    AUTHORITY_EXPIRED = "authority_expired"
    AUTHORITY_AS_CLIENT = "authority_as_client"
    WRONG_PURPOSE = "wrong_purpose"
    WEAK_KEY = "weak_key"
    WEAK_SIGNATURE = "weak_signature"
    CHAIN = "chain"
    MALFORMED = "malformed"
    BLACKLISTED = "blacklisted"
    REVOKED = "revoked"
    NO_REVOCATION_LIST = "no_revocation_list"
    TLS_VERSION = "tls_version"
    NOT_TLS = "not_tls"
    HANDSHAKE = "handshake"


@attrs.frozen
class Refusal:
    """
    One connection that was refused.

    :param detail: for the log: which certificate, and what is wrong with it.
    """

    reason: Reason
    detail: str


@attrs.frozen
class Refusals:
    """
    The record of who did not get in.

    :param count: called with the reason of each, for the metrics.
    """

    log = Logger()

    count: Callable[[Reason], object] = lambda reason: None

    def record(self, refusal: Refusal, device: str) -> None:
        """
        Put a refusal on record.

        :param device: IP address.
        """
        self.count(refusal.reason)
        self.log.warn(
            "refused: {reason}: {detail} from={device}",
            reason=refusal.reason.value,
            detail=refusal.detail,
            device=device,
        )
