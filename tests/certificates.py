"""Certificates of every kind, good and bad ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    PrivateKeyTypes,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from OpenSSL import crypto
from twisted.internet.ssl import CertificateOptions

DAY = timedelta(days=1)


def dns(name: str) -> x509.GeneralName:
    """Make an entry of a subjectAltName, however malformed the name is."""
    return x509.DNSName(name)


def ip(address: str) -> x509.GeneralName:
    """Make an entry of a subjectAltName for an IP address."""
    return x509.IPAddress(ip_address(address))


def new_key() -> CertificateIssuerPrivateKeyTypes:
    """Make a key of the kind that is made fastest."""
    return ec.generate_private_key(ec.SECP256R1())


@attrs.frozen
class Identity:
    """
    A certificate and its key.

    :param issuers: the certificates of the authorities up to the root, which is left out.
    """

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def chain_pem(self) -> bytes:
        """The certificate and its issuers."""
        return b"".join(pem_of(each) for each in (self.certificate, *self.issuers))

    @property
    def key_pem(self) -> bytes:
        """The key."""
        return key_pem(self.key)

    def server_options(self) -> CertificateOptions:
        """TLS for a server with this certificate."""
        return CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(self.key),  # type: ignore[arg-type]
            certificate=crypto.X509.from_cryptography(self.certificate),
            extraCertChain=[crypto.X509.from_cryptography(each) for each in self.issuers],
        )

    def issue(
        self,
        name: str,
        *names: x509.GeneralName,
        key: CertificateIssuerPrivateKeyTypes | None = None,
        authority: bool = False,
        until: timedelta = DAY,
    ) -> Identity:
        """
        Issue a certificate.

        :param name: its common name.
        :param names: of its subjectAltName, which is left out when there are none.
        :param until: how long it is valid from now on; since when is always two days ago.
        """
        key = new_key() if key is None else key
        certificate = _signed(name, names, key, self.certificate, self.key, authority, until)
        known = self.certificate.issuer != self.certificate.subject
        return Identity(certificate, key, (self.certificate, *self.issuers) if known else ())


def root(name: str = "root") -> Identity:
    """Make a certificate authority."""
    key = new_key()
    return Identity(_signed(name, (), key, None, key, True, DAY), key)


def self_signed(name: str, *names: x509.GeneralName) -> Identity:
    """Make a server's certificate that nobody vouches for."""
    key = new_key()
    return Identity(_signed(name, names, key, None, key, False, DAY), key)


def pem_of(certificate: x509.Certificate) -> bytes:
    """Write one certificate."""
    return certificate.public_bytes(Encoding.PEM)


def key_pem(key: PrivateKeyTypes, password: bytes = b"") -> bytes:
    """Write a key, encrypted when there is a password."""
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(password) if password else NoEncryption()
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _signed(
    name: str,
    names: tuple[x509.GeneralName, ...],
    key: CertificateIssuerPrivateKeyTypes,
    issuer: x509.Certificate | None,
    issuer_key: CertificateIssuerPrivateKeyTypes,
    authority: bool,
    until: timedelta,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * DAY)
        .not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    edwards = not isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    return builder.sign(issuer_key, None if edwards else hashes.SHA256())
