"""The server's side of TLS: its certificate, versions and ciphers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import (
    IAcceptableCiphers,
    ICipher,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

VERSIONS = {
    "1.0": TLSVersion.TLSv1_0,
    "1.1": TLSVersion.TLSv1_1,
    "1.2": TLSVersion.TLSv1_2,
    "1.3": TLSVersion.TLSv1_3,
}

MODERN = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""Forward secrecy and authenticated encryption only: no CBC, no RSA key exchange."""

LEGACY = (
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    # OpenSSL refuses SHA-1 signatures, and with them TLS 1.0 and 1.1, above this level.
    "@SECLEVEL=0",
)
"""What TLS 1.0 and 1.1 need besides; used only when the configuration asks for them."""

_ServerKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey


class CertificateError(Exception):
    """The server's certificate or key can't be used; the text names the file and says why."""


@implementer(ICipher)
@attrs.frozen
class Cipher:
    """One cipher, or one of OpenSSL's commands about them."""

    fullName: str


@implementer(IAcceptableCiphers)
@attrs.frozen
class Ciphers:
    """Exactly these ciphers, in this order."""

    names: tuple[str, ...]

    def selectCiphers(self, availableCiphers: Any) -> Any:
        """Called by Twisted with what OpenSSL has."""
        available = {cipher.fullName for cipher in availableCiphers}
        return tuple(
            Cipher(name) for name in self.names if name in available or name.startswith("@")
        )


def server_options(
    certificate_path: str, key_path: str, minimum_version: str = "1.2"
) -> CertificateOptions:
    """
    Read the server's certificate, its intermediates and its key.

    :param certificate_path: PEM, the server's own certificate first.
    :param minimum_version: ``"1.0"`` to ``"1.3"``.
    :raises CertificateError: a file can't be read or parsed, or the two don't belong together.
    """
    leaf, *issuers = _read_chain(certificate_path)
    key = _read_key(key_path)
    if key.public_key() != leaf.public_key():
        raise CertificateError(
            f"HTTPS.ServerKey: {key_path}: not the key of the certificate in {certificate_path}"
        )
    old = minimum_version in ("1.0", "1.1")
    # Twisted counts even a None as given, and wants one of the two at most.
    bounds: Any = {
        "insecurelyLowerMinimumTo" if old else "raiseMinimumTo": VERSIONS[minimum_version]
    }
    try:
        options = CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(key),
            certificate=crypto.X509.from_cryptography(leaf),
            extraCertChain=[crypto.X509.from_cryptography(issuer) for issuer in issuers],
            acceptableCiphers=Ciphers(MODERN + LEGACY if old else MODERN),
            **bounds,
        )
        # What OpenSSL dislikes it says here, and not to the first device.
        options.getContext()
    except SSL.Error as error:
        reason = ", ".join(entry[-1] for entry in error.args[0])
        raise CertificateError(f"HTTPS.ServerCertificate: {certificate_path}: {reason}") from None
    return options


def _read_chain(path: str) -> list[x509.Certificate]:
    content = _read("HTTPS.ServerCertificate", path)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise CertificateError(f"HTTPS.ServerCertificate: {path}: not a PEM certificate") from None


def _read_key(path: str) -> _ServerKey:
    content = _read("HTTPS.ServerKey", path)
    try:
        key = load_pem_private_key(content, None)
    except TypeError:
        raise CertificateError(f"HTTPS.ServerKey: {path}: encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(f"HTTPS.ServerKey: {path}: not a PEM private key") from None
    if not isinstance(key, _ServerKey):
        raise CertificateError(f"HTTPS.ServerKey: {path}: not an RSA, EC or Edwards curve key")
    return key


def _read(label: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CertificateError(f"{label}: {path}: {error.strerror}") from None


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """
    Makes the TLS side of each device's connection.

    :ivar options: may be replaced while connections are open: new ones use the new.
    """

    def __init__(self, options: CertificateOptions):
        self.options = options

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make the connection object for one TLS connection (called by Twisted)."""
        connection: SSL.Connection = self.options.serverConnectionForTLS(tlsProtocol)
        return connection

    def wrap(self, factory: IProtocolFactory, clock: IReactorTime) -> TLSMemoryBIOFactory:
        """The factory behind TLS."""
        return TLSMemoryBIOFactory(self, False, factory, clock)
