"""Which of the certificates in the bundle are still to be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from menderproxy.listen.client_certificate import Issued, key_hash, loggable_name, serial_text
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.revocation_lists import Status

Certificates = Sequence[x509.Certificate]


def revoked_authorities(
    bundle: Certificates, revocation: Revocation
) -> dict[x509.Certificate, str]:
    """
    Find those that are revoked, be it by an authority above them or by the blacklist.

    OpenSSL's path ends at the first certificate that is trusted by itself, so nobody would look
    at what the bundle holds again. What lies below a revoked one falls with it.

    :returns: why, by certificate.
    """
    issuers = {each: _issuer(each, bundle) for each in bundle}
    revoked: dict[x509.Certificate, str] = {}
    for each, issuer in issuers.items():
        issued = Issued(
            each.serial_number,
            each.issuer,
            b"" if issuer is None else key_hash(issuer),
            key_hash(each),
        )
        rule = revocation.blacklist.rule(issued)
        if rule is not None:
            revoked[each] = f"it is blacklisted by {rule}"
        elif _is_listed(issued, revocation):
            revoked[each] = "its issuer has revoked it"
    while fallen := [each for each in bundle if each not in revoked and issuers[each] in revoked]:
        revoked |= dict.fromkeys(fallen, "the authority above it is revoked")
    return revoked


def ambiguous_names(bundle: Certificates) -> Iterator[str]:
    """
    Name the authorities that share a name, but no key.

    Where a certificate doesn't tell its issuer's key, as those of version 1 can't, OpenSSL takes
    the first authority of that name, and no other.
    """
    keys: dict[x509.Name, set[bytes]] = {}
    for each in bundle:
        keys.setdefault(each.subject, set()).add(key_hash(each))
    for name, different in keys.items():
        if len(different) > 1:
            yield loggable_name(name)


def describe(certificate: x509.Certificate) -> str:
    """Name an authority's certificate, for the log."""
    return f"{serial_text(certificate.serial_number)} of {loggable_name(certificate.subject)}"


def _is_listed(issued: Issued, revocation: Revocation) -> bool:
    # Whether the list is in force does not matter: what is trusted by itself needs none.
    lists = revocation.lists
    return lists is not None and lists.status(issued, 0.0, authority=True) is Status.REVOKED


def _issuer(certificate: x509.Certificate, bundle: Certificates) -> x509.Certificate | None:
    for candidate in bundle:
        if candidate.subject == certificate.issuer and _signed(certificate, candidate):
            return candidate
    return None


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
