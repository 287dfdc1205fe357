"""Certificate revocation lists of every kind, good and bad ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.client_certificate import ClientCertificate, Issued
from menderproxy.listen.revocation_lists import RevocationLists, Status
from tests.certificates import DAY, Identity, root

TODAY = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW = TODAY.timestamp()
ECDSA_WITH_SHA256 = bytes.fromhex("2a8648ce3d040302")
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.1"), b"\x05\x00")
"""An extension that nobody knows, in an arc that is kept free for examples."""


def revocation_list(
    authority: Identity,
    revoked: Iterable[int | Identity | x509.RevokedCertificate] = (),
    *extensions: tuple[x509.ExtensionType, bool],
    number: int | None = None,
    since: datetime = TODAY - DAY,
    until: datetime = TODAY + DAY,
) -> bytes:
    """
    Issue a list, in PEM.

    :param extensions: each with whether it is critical.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(since)
        .next_update(until)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for each in revoked:
        builder = builder.add_revoked_certificate(entry(each))
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def entry(
    revoked: int | Identity | x509.RevokedCertificate,
    *extensions: x509.ExtensionType,
    critical: bool = False,
) -> x509.RevokedCertificate:
    """Make an entry of a list."""
    if isinstance(revoked, x509.RevokedCertificate):
        return revoked
    serial = revoked.certificate.serial_number if isinstance(revoked, Identity) else revoked
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(TODAY - DAY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.build()


def scope(
    *,
    url: str | None = None,
    users: bool = False,
    authorities: bool = False,
    attributes: bool = False,
    indirect: bool = False,
    reasons: Iterable[x509.ReasonFlags] | None = None,
) -> tuple[x509.ExtensionType, bool]:
    """Say what a list is about."""
    return (
        x509.IssuingDistributionPoint(
            full_name=None if url is None else [x509.UniformResourceIdentifier(url)],
            relative_name=None,
            only_contains_user_certs=users,
            only_contains_ca_certs=authorities,
            only_some_reasons=None if reasons is None else frozenset(reasons),
            indirect_crl=indirect,
            only_contains_attribute_certs=attributes,
        ),
        True,
    )


def raw(oid: str, content: str) -> tuple[x509.ExtensionType, bool]:
    """Write an extension in hexadecimal DER."""
    value = bytes.fromhex(content)
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False


def der(pem: bytes) -> bytes:
    """Write a list in DER."""
    return x509.load_pem_x509_crl(pem).public_bytes(Encoding.DER)


def respelled(content: bytes, authority: Identity, old: bytes, new: bytes = b"") -> bytes:
    """Issue a list again, in DER, with something in it that the library would not write."""
    crl = x509.load_pem_x509_crl(content)
    signed = crl.tbs_certlist_bytes
    fields = signed[2 if signed[1] < 0x80 else 2 + (signed[1] & 0x7F) :]
    assert old in fields
    changed = value(0x30, fields.replace(old, new, 1))
    assert isinstance(authority.key, ec.EllipticCurvePrivateKey)
    signature = authority.key.sign(changed, ec.ECDSA(hashes.SHA256()))
    algorithm = value(0x30, value(0x06, ECDSA_WITH_SHA256)).replace(old, new)
    return value(0x30, changed + algorithm + value(0x03, b"\x00" + signature))


def value(tag: int, content: bytes) -> bytes:
    """Write a DER value of less than 64 KiB."""
    length = len(content)
    octets = bytes((length,)) if length < 0x80 else b"\x82" + length.to_bytes(2, "big")
    if 0x80 <= length < 0x100:
        octets = bytes((0x81, length))
    return bytes((tag,)) + octets + content


def issued(device: Identity, authority: Identity) -> Issued:
    """Take a certificate down."""
    return ClientCertificate.from_chain((device.certificate, authority.certificate)).path[0]


class ListsTestCase(SynchronousTestCase):
    """Has an authority and a device."""

    def setUp(self) -> None:
        """Make them."""
        self.authority = root("Factory CA")
        self.device = self.authority.issue("device")

    def load(self, *files: bytes) -> RevocationLists:
        """Load files, as of our authority."""
        paths = [(f"{number}.crl", content) for number, content in enumerate(files, 1)]
        return RevocationLists.load(paths, [self.authority.certificate])

    def status(self, *files: bytes, now: float = NOW, authority: bool = False) -> Status:
        """Look our device up."""
        lists = self.load(*files)
        return lists.status(issued(self.device, self.authority), now, authority=authority)
