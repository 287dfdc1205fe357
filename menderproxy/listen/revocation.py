"""Whether a certificate that was good when it was issued still is."""

from __future__ import annotations

import attrs

from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.client_certificate import ClientCertificate, loggable_name
from menderproxy.listen.refusal import Reason, Refusal
from menderproxy.listen.revocation_lists import RevocationLists, Status

_DOUBTS = {
    Status.MISSING: "there is no revocation list of {issuer}",
    Status.EXPIRED: "the revocation list of {issuer} is out of date",
    Status.NOT_YET: "the revocation list of {issuer} is not in force yet: is the clock right?",
}


@attrs.frozen
class Revocation:
    """
    The operator's blacklist and the authorities' revocation lists, as of one moment.

    :param lists: ``None`` when none are configured: then no authority is asked for its own.
    :param strict: whether a device whose authority has no list in force is refused.
    """

    blacklist: Blacklist
    lists: RevocationLists | None
    strict: bool

    def refusal(self, certificate: ClientCertificate, now: float) -> Refusal | None:
        """
        Tell why a certificate is no longer good, itself or an authority between it and ours.

        :param now: Unix time.
        """
        return self._blacklisted(certificate) or self._revoked(certificate, now)

    def overdue(self, now: float) -> tuple[str, ...]:
        """Name the revocation lists that are missing or not in force, a line each for the log."""
        return () if self.lists is None else self.lists.overdue(now)

    def _blacklisted(self, certificate: ClientCertificate) -> Refusal | None:
        for depth, issued in enumerate(certificate.path):
            rule = self.blacklist.rule(issued)
            if rule is not None:
                what = f"{_subject(certificate, depth)} is blacklisted by {rule}"
                return Refusal(Reason.BLACKLISTED, f"{certificate}: {what}")
        return None

    def _revoked(self, certificate: ClientCertificate, now: float) -> Refusal | None:
        if self.lists is None:
            return None
        doubt: str | None = None
        for depth, issued in enumerate(certificate.path):
            status = self.lists.status(issued, now, authority=depth > 0)
            if status is Status.REVOKED:
                issuer = loggable_name(issued.issuer)
                what = f"{_subject(certificate, depth)} is revoked by {issuer}"
                return Refusal(Reason.REVOKED, f"{certificate}: {what}")
            if self.strict and doubt is None and status is not Status.GOOD:
                doubt = _DOUBTS[status].format(issuer=loggable_name(issued.issuer))
        if doubt is None:
            return None
        return Refusal(Reason.NO_REVOCATION_LIST, f"{certificate}: {doubt}")


def _subject(certificate: ClientCertificate, depth: int) -> str:
    if depth == 0:
        return "it"
    return f"the authority {loggable_name(certificate.path[depth - 1].issuer)} above it"
