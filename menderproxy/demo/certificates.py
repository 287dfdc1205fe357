"""A certificate authority that lives as long as the demo does."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto
from twisted.internet.ssl import CertificateOptions

from menderproxy.upstream.tls import is_ip_address

_LIFETIME = timedelta(days=30)
_CLOCK_SKEW = timedelta(days=1)


@attrs.frozen
class Credentials:
    """
    A certificate and the private key that goes with it, both as PEM.

    :param certificate_pem: the leaf certificate alone.
    :param key_pem: its key, PKCS#8 and not encrypted.
    """

    certificate_pem: bytes
    key_pem: bytes = attrs.field(repr=False)

    def write(self, directory: str | os.PathLike[str]) -> tuple[Path, Path]:
        """
        Write ``certificate.pem`` and ``key.pem``, the latter readable by its owner alone.

        :return: the paths of both.
        """
        certificate, key = Path(directory, "certificate.pem"), Path(directory, "key.pem")
        certificate.write_bytes(self.certificate_pem)
        # The mode is given at creation: there is no moment at which others could open it.
        key.unlink(missing_ok=True)
        descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(self.key_pem)
        return certificate, key

    def server_options(self) -> CertificateOptions:
        """TLS for a server that shows this certificate and asks its clients for none."""
        key = serialization.load_pem_private_key(self.key_pem, password=None)
        certificate = x509.load_pem_x509_certificate(self.certificate_pem)
        assert isinstance(key, ec.EllipticCurvePrivateKey), "issue() makes no others"
        return CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(key),
            certificate=crypto.X509.from_cryptography(certificate),
        )


@attrs.frozen
class ThrowAwayAuthority:
    """
    A root certificate authority whose key never leaves this process.

    Make one with :meth:`create`.
    """

    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)

    @classmethod
    def create(cls, common_name: str = "Mender Gateway demo authority") -> ThrowAwayAuthority:
        """Make a new authority with a P-256 key, valid for a month."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _certificate(name, key.public_key())
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @property
    def certificate_pem(self) -> bytes:
        """The root certificate, for a client's list of trusted authorities."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *names: str) -> Credentials:
        """
        Issue a certificate that serves TLS servers and TLS clients alike.

        :param names: DNS names and IP address literals for the subjectAltName; the first one is
            the common name too.
        :raises ValueError: when no name is given.
        """
        if not names:
            raise ValueError("a certificate needs at least one name")
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            _certificate(_name(names[0]), key.public_key())
            .issuer_name(self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName([*map(_general_name, names)]), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(issuer_key, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Credentials(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if is_ip_address(name) else x509.DNSName(name)


def _certificate(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
