"""Who gets in while mutual TLS is on: asked at each handshake, and again at each request."""

from __future__ import annotations

from collections.abc import Callable, Collection

from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.refusal import Reason, Refusal
from menderproxy.listen.revocation import Revocation

CLOCK_HINT = "is the clock right?"


class Admission:
    """
    The rules that a device may break while it is connected.

    A connection may live for weeks: its certificate ends meanwhile, or is revoked.

    :param revocation: what is revoked; may be replaced at any time.
    :param authorities: key hashes of those trusted now; may be replaced at any time. ``None``
        for whoever was trusted at the handshake.
    :param grace: for how many seconds after its end a certificate is still good.
    :param now: Unix time.
    """

    def __init__(
        self,
        revocation: Revocation,
        *,
        grace: float | None,
        now: Callable[[], float],
        authorities: Collection[bytes] | None = None,
    ):
        self.revocation = revocation
        self.authorities = authorities
        self.grace = 0.0 if grace is None else grace
        self._now = now

    def has_expired(self, not_after: float) -> bool:
        """Whether a certificate with that end, Unix time, is no longer good."""
        return self._now() > not_after + self.grace

    def refusal(self, certificate: ClientCertificate | None) -> Refusal | None:
        """Tell why a device may not (or no longer) be served."""
        if certificate is None:
            return Refusal(Reason.NO_CERTIFICATE, "no certificate")
        if self.has_expired(certificate.not_after):
            return Refusal(Reason.EXPIRED, f"{certificate}: it has expired")
        if self.authorities is not None and certificate.authority_key not in self.authorities:
            why = "its authority is not trusted any more"
            return Refusal(Reason.UNKNOWN_AUTHORITY, f"{certificate}: {why}")
        return self.revocation.refusal(certificate, self._now())
