"""What the gateway shows to devices, and whose certificates it takes from them."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet._sslverify import IOpenSSLTrustRoot
from zope.interface import implementer

_PEM_BEGIN = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----")

ServerKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey


class CertificateError(Exception):
    """The server's certificate or key can't be used; the text names the file and says why."""


@attrs.frozen
class ServerIdentity:
    """
    What the gateway shows to devices.

    :param chain: its own certificate first, then its intermediates.
    """

    chain: tuple[x509.Certificate, ...]
    key: ServerKey = attrs.field(repr=False, eq=False)

    @property
    def slow_key(self) -> str:
        """
        The kind of its key, if another kind would spare much of each handshake, else empty.

        OpenSSL has code of its own for P-256; it signs several times as fast with that.
        """
        match self.key:
            case RSAPrivateKey():
                return "an RSA key"
            case EllipticCurvePrivateKey(curve=curve) if not isinstance(curve, SECP256R1):
                return f"a key of the curve {curve.name}"
        return ""


@implementer(IOpenSSLTrustRoot)
@attrs.frozen
class ClientAuthorities:
    """
    The certificates that those of devices have to come from.

    Each is trusted by itself, roots and intermediates alike, as in Go. Devices often send no
    intermediates, so those have to be here.

    :ivar encoded: the same as OpenSSL encodes them, to look one up.
    """

    certificates: tuple[x509.Certificate, ...]
    encoded: frozenset[bytes] = attrs.field(init=False, eq=False, repr=False)

    @encoded.default
    def _encode(self) -> frozenset[bytes]:
        return frozenset(
            crypto.dump_certificate(crypto.FILETYPE_ASN1, crypto.X509.from_cryptography(each))
            for each in self.certificates
        )

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        # The one method of Twisted's private IOpenSSLTrustRoot.
        store = context.get_cert_store()
        assert store is not None, "OpenSSL gives every context a store"
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        for certificate in self.certificates:
            store.add_cert(crypto.X509.from_cryptography(certificate))


def read_identity(certificate_path: str, key_path: str) -> ServerIdentity:
    """
    Read the server's certificate, its intermediates and its key.

    :param certificate_path: PEM, the server's own certificate first.
    :raises CertificateError: a file can't be read or parsed, or the two don't belong together.
    """
    chain = read_certificates("HTTPS.ServerCertificate", certificate_path)
    key = _read_key(key_path)
    try:
        public_key = chain[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(
            f"HTTPS.ServerCertificate: {certificate_path}: its key is of an unknown kind"
        ) from None
    if key.public_key() != public_key:
        raise CertificateError(
            f"HTTPS.ServerKey: {key_path}: not the key of the certificate in {certificate_path}"
        )
    return ServerIdentity(chain, key)


def read_certificates(label: str, path: str) -> tuple[x509.Certificate, ...]:
    """
    Read all certificates of a PEM file.

    :param label: what the configuration calls it.
    :raises CertificateError: it can't be read, or there is none in it, or one is malformed.
    """
    content = read_file(label, path)
    try:
        certificates = tuple(x509.load_pem_x509_certificates(content))
        for each in certificates:
            # OpenSSL, which has to work with it, is stricter.
            crypto.X509.from_cryptography(each)
    except (ValueError, x509.InvalidVersion, crypto.Error):
        raise CertificateError(f"{label}: {path}: not a PEM certificate") from None
    if len(certificates) < len(_PEM_BEGIN.findall(content)):
        raise CertificateError(f"{label}: {path}: a certificate in it has no end")
    return certificates


def _read_key(path: str) -> ServerKey:
    content = read_file("HTTPS.ServerKey", path)
    try:
        key = load_pem_private_key(content, None)
    except TypeError:
        raise CertificateError(f"HTTPS.ServerKey: {path}: encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(f"HTTPS.ServerKey: {path}: not a PEM private key") from None
    if not isinstance(key, ServerKey):
        raise CertificateError(f"HTTPS.ServerKey: {path}: not an RSA, EC or Edwards curve key")
    return key


def read_file(label: str, path: str) -> bytes:
    """
    Read a file that the configuration names.

    :raises CertificateError: it can't be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CertificateError(f"{label}: {path}: {error.strerror}") from None
