"""The certificate that a device came with, as far as anybody asks about it later."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KNOWN_AUTHORITIES = 64
"""How many authorities' names and keys are remembered, so as not to decode them for each device."""


@attrs.frozen
class Issued:
    """
    One certificate of a path, in the terms of those who revoke it.

    :param serial: given by the issuer, unique only there.
    :param issuer: the issuer's name.
    :param issuer_key: SHA-256 of the issuer's key, see :func:`key_hash`: two authorities may
        share a name.
    :param key: SHA-256 of its own key.
    """

    serial: int
    issuer: x509.Name
    issuer_key: bytes
    key: bytes


@attrs.frozen
class ClientCertificate:
    """
    What a device proved to be at its TLS handshake.

    :param subject: its name, as text for logs.
    :param issuer: its issuer's name, as text for logs.
    :param not_after: end of its validity, Unix time.
    :param path: itself and the intermediates up to the authority that we trust, which is left
        out.
    """

    subject: str
    issuer: str
    not_after: float
    path: tuple[Issued, ...]

    @classmethod
    def from_chain(cls, chain: Sequence[x509.Certificate]) -> ClientCertificate:
        """
        Take down a verified chain.

        :param chain: the device's own certificate first, the trusted one last; just one when the
            device's own is trusted by itself.
        """
        leaf = chain[0]
        issuers = chain[1:] or chain
        return cls(
            subject=loggable_name(leaf.subject),
            issuer=_shared(leaf.issuer)[1],
            not_after=leaf.not_valid_after_utc.timestamp(),
            path=tuple(
                Issued(
                    each.serial_number, _shared(each.issuer)[0], key_hash(issuer), key_hash(each)
                )
                for each, issuer in zip(chain, issuers, strict=False)
            ),
        )

    @property
    def serial(self) -> str:
        """Its serial number in hexadecimal, as ``openssl x509 -serial`` writes it."""
        return serial_text(self.path[0].serial)

    @property
    def key(self) -> bytes:
        """SHA-256 of its public key."""
        return self.path[0].key

    @property
    def authority_key(self) -> bytes:
        """SHA-256 of the key of the authority that the path ends at."""
        return self.path[-1].issuer_key

    def __str__(self) -> str:
        return f"certificate {self.serial} of {self.subject} by {self.issuer}"


@lru_cache(KNOWN_AUTHORITIES)
def _shared(issuer: x509.Name) -> tuple[x509.Name, str]:
    """An issuer's name, and as text: each once in memory for all of its devices."""
    return issuer, loggable_name(issuer)


@lru_cache(KNOWN_AUTHORITIES)
def key_hash(certificate: x509.Certificate) -> bytes:
    """SHA-256 of a certificate's public key, as a DER SubjectPublicKeyInfo."""
    digest = Hash(SHA256())
    key = public_key(certificate)
    digest.update(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize()


@lru_cache(4)
def public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """
    A certificate's public key: decoded once where it is asked for several times in a row.

    :raises ValueError: it is malformed.
    :raises UnsupportedAlgorithm: it is of an unknown kind.
    """
    return certificate.public_key()


def serial_text(serial: int) -> str:
    """A serial number in hexadecimal, as ``openssl x509 -serial`` writes it."""
    sign, digits = ("-" if serial < 0 else ""), f"{abs(serial):X}"
    return f"{sign}{digits if len(digits) % 2 == 0 else f'0{digits}'}"


def loggable_name(name: x509.Name) -> str:
    """A name as it may stand in a line of a log, whatever its author put into it."""
    text = name.rfc4514_string()
    if not text.isprintable():
        text = "".join(each if each.isprintable() else "?" for each in text)
    return text[:200]
