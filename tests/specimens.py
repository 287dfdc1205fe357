"""Devices with certificates of every kind, each before a gateway of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as Key
from cryptography.x509 import AuthorityKeyIdentifier, SubjectKeyIdentifier

from tests.certificates import DAY, Identity, new_key
from tests.odd_certificates import AUTHORITY, KEYS, authority, by_openssl, revocation_list, signed

HOUR = timedelta(hours=1)
GRACE = DAY.total_seconds()
LONGEST_CHAIN = 9
"""How many intermediates a device may send."""


@attrs.frozen
class Specimen:
    """
    A device with its certificate, before a gateway with its configuration.

    :param identity: the device's certificate, key and intermediates, ``None`` when it shows none.
    :param bundle: what the gateway has in ``mTLS.CACertificate``.
    :param culprit: the certificate that breaks a rule, if one does: the device's own or another.
    :param grace: for how many seconds certificates are accepted after their end.
    :param blacklist: the content of the file of refused serial numbers.
    :param lists: certificate revocation lists, PEM; when there are any, the gateway insists on
        one for each issuer.
    """

    identity: Identity | None
    bundle: tuple[x509.Certificate, ...]
    culprit: x509.Certificate | None = None
    grace: float | None = None
    blacklist: bytes = b""
    lists: bytes = b""


def before(
    identity: Identity | None,
    *anchors: Identity,
    culprit: Identity | None = None,
    grace: float | None = None,
    blacklist: bytes = b"",
    lists: bytes = b"",
) -> Specimen:
    """Put a device before a gateway whose bundle has these certificates, or just the root's."""
    bundle = tuple(each.certificate for each in anchors or (root(),))
    broken = culprit or identity
    at_fault = None if broken is None else broken.certificate
    return Specimen(identity, bundle, at_fault, grace, blacklist, lists)


def below(issuer: Identity) -> Specimen:
    """Put a device of this issuer before the gateway; if one breaks a rule, the issuer does."""
    return before(device(by=issuer), culprit=issuer)


def device(
    *extensions: x509.ExtensionType,
    by: Identity | None = None,
    name: str | x509.Name = "device",
    key: Key | None = None,
    since: timedelta = -2 * DAY,
    until: timedelta | datetime = DAY,
    serial: int | None = None,
) -> Identity:
    """Make a device's certificate, issued by the root unless said otherwise."""
    issuer = by or root()
    return signed(name, issuer, *extensions, key=key, since=since, until=until, serial=serial)


def sending(identity: Identity, *issuers: Identity) -> Identity:
    """The same device, which sends just these certificates besides its own."""
    return attrs.evolve(identity, issuers=tuple(each.certificate for each in issuers))


@cache
def root(kind: str = "ec_p256") -> Identity:
    """The authority that the gateway knows."""
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa_2048" else KEYS[kind]()
    return authority(f"{kind} root", key=key)


@cache
def stranger() -> Identity:
    """An authority that the gateway does not know."""
    return authority("stranger")


@cache
def intermediate() -> Identity:
    """An authority under the root."""
    return under_root(AUTHORITY)


def under_root(
    *extensions: x509.ExtensionType, key: Key | None = None, until: timedelta = DAY
) -> Identity:
    """Make something under the root which issues certificates, be it allowed to or not."""
    return signed("intermediate", root(), *extensions, key=key, until=until)


# Those that take more than a line


def of_kind(key: str, root_kind: str) -> Specimen:
    """A device with this kind of key, of a root with that kind."""
    issuer = root(root_kind)
    return before(device(by=issuer, key=KEYS[key]()), issuer)


def by_command(*options: str, key: str = "ec_p256", by: str = "ec_p256") -> Specimen:
    """A device with a certificate that the ``openssl`` command made."""
    issuer = root(by)
    return before(by_openssl("device", issuer, *options, key=KEYS[key]()), issuer)


def root_by_command(*options: str, version_1: bool = False) -> Specimen:
    """A device of a root that the ``openssl`` command made."""
    made = authority("root")
    anchor = by_openssl("root", made, *options, key=made.key, authority=not version_1)
    return before(device(by=anchor), anchor)


def alone(*anchors: Identity) -> Specimen:
    """A device of an intermediate that does not send the certificate of that."""
    return before(sending(device(by=intermediate())), *anchors)


def chain(length: int) -> Specimen:
    """A device under so many intermediates."""
    lowest_first = [root()]
    for number in range(length):
        lowest_first.insert(0, authority(f"intermediate {number}", lowest_first[0]))
    # The first that is too far away.
    culprit = lowest_first[min(LONGEST_CHAIN, length)]
    return before(device(by=lowest_first[0]), culprit=culprit)


def limited_path(*below_limit: str) -> Specimen:
    """A device under an intermediate that allows no other below itself, and under these others."""
    limited = lowest = under_root(x509.BasicConstraints(ca=True, path_length=0))
    for name in below_limit:
        lowest = authority(name, lowest)
    return before(device(by=lowest), culprit=limited)


def limited_names(name: str) -> Specimen:
    """A device with this DNS name, of an intermediate that may only name the factory's."""
    permitted = x509.NameConstraints([x509.DNSName("factory.example")], None)
    issuer = under_root(AUTHORITY, permitted)
    return before(device(x509.SubjectAlternativeName([x509.DNSName(name)]), by=issuer))


def cross_signed() -> Specimen:
    """A device of an old root, which the gateway's root vouches for."""
    old = authority("old root")
    return before(sending(device(by=old), authority("old root", root(), key=old.key)))


def twice_signed(*, known_first: bool) -> Specimen:
    """A device that sends two certificates of its issuer, only one of which leads to the root."""
    known = intermediate()
    other = authority("intermediate", stranger(), key=known.key)
    pair = (known, other) if known_first else (other, known)
    return before(sending(device(by=known), *pair), culprit=other)


def renewed_root() -> Specimen:
    """A device of a root that has expired, and has a successor with the same name and key."""
    old = authority("root", until=-HOUR)
    return before(device(by=old), old, authority("root", key=old.key))


def two_of_a_name(number: int, *, identified: bool = False) -> Specimen:
    """
    A device of one of two roots, both known, with the same name and different keys.

    :param identified: whether its certificate says which key signed it.
    """
    roots = identified_root(), identified_root()
    issuer = roots[number]
    return before(of_identified(issuer) if identified else device(by=issuer), *roots)


def identified_root() -> Identity:
    """Make a root that says which key is its own; all of them have the same name."""
    key = new_key()
    identifier = SubjectKeyIdentifier.from_public_key(key.public_key())
    return authority("root", None, identifier, key=key)


def of_identified(issuer: Identity) -> Identity:
    """A device whose certificate says which key signed it, and not only by what name."""
    public = issuer.key.public_key()
    return device(AuthorityKeyIdentifier.from_issuer_public_key(public), by=issuer)


def anchored(anchor: Identity) -> Specimen:
    """A device of what is in the bundle, which breaks a rule all the same."""
    return before(sending(device(name="lower device", by=anchor)), anchor, culprit=anchor)


def expired_intermediate(until: timedelta) -> Specimen:
    """A device whose own certificate ends then, of an intermediate that has expired."""
    expired = under_root(AUTHORITY, until=-HOUR)
    return before(device(by=expired, until=until), culprit=expired, grace=GRACE)


def device_in_bundle() -> Specimen:
    """A device whose own certificate is in the bundle, where those of authorities belong."""
    identity = device()
    return before(identity, identity, root())


def revoked(until: timedelta) -> Specimen:
    """A device that its authority's list names, which is in force until then."""
    identity = device()
    return before(identity, lists=revocation_list(root(), identity, until=until))
