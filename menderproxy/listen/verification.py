"""
Which client certificates are good.

OpenSSL builds the path to a trusted certificate and checks signatures, times and constraints. Its
rules differ from those of the Go programs that the official recipe was made for, so some of its
verdicts are corrected here: it takes certificate authorities for clients, and refuses
``anyExtendedKeyUsage``. What is weak is decided here as well: at the security level that TLS 1.0
needs, OpenSSL would let anything pass.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from menderproxy.listen.admission import CLOCK_HINT, Admission
from menderproxy.listen.client_certificate import (
    KNOWN_AUTHORITIES,
    ClientCertificate,
    loggable_name,
    public_key,
    serial_text,
)
from menderproxy.listen.recent import Recent
from menderproxy.listen.refusal import Reason, Refusal, Refusals

_E = TypeVar("_E", bound=x509.ExtensionType)
_Fault = tuple[Reason, str]
"""The rule that a certificate breaks, and why in words."""

_KNOWN: Recent[ClientCertificate] = Recent(4096)
"""
The devices that came last and broke no rule, by the SHA-256 of their paths.

Many devices open a connection for each request. What a path says is worked out at the first; time,
trust and revocation are asked about at each. Nothing that strangers make up gets in here: OpenSSL
has verified the signatures by then.
"""

SMALLEST_RSA = 2048
SMALLEST_CURVE = 224
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)
_CLIENT_PURPOSES = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)

_EXPIRED = 10
_WRONG_PURPOSE = 26
_NO_AUTHORITY = 79
_UNKNOWN = (Reason.UNKNOWN_AUTHORITY, "no authority that is trusted here has issued it")
_MAY_NOT_ISSUE = (Reason.CHAIN, "it issues certificates and may not")
_VERDICTS = {
    2: _UNKNOWN,
    7: (Reason.BAD_SIGNATURE, "its issuer's signature is wrong"),
    9: (Reason.NOT_YET_VALID, f"it is not valid yet: {CLOCK_HINT}"),
    _EXPIRED: (Reason.EXPIRED, "it has expired"),
    18: _UNKNOWN,
    19: _UNKNOWN,
    20: _UNKNOWN,
    21: _UNKNOWN,
    22: (Reason.CHAIN, "its chain is too long"),
    24: _MAY_NOT_ISSUE,
    25: (Reason.CHAIN, "it allows fewer authorities below itself"),
    _WRONG_PURPOSE: (Reason.WRONG_PURPOSE, "it is not for TLS clients"),
    34: (Reason.MALFORMED, "it has a critical extension that nobody knows"),
    47: (Reason.CHAIN, "its name is not one that its issuer may give"),
    48: (Reason.CHAIN, "its name is one that its issuer may not give"),
    66: (Reason.WEAK_KEY, "its key is too weak"),
    67: (Reason.WEAK_KEY, "its key is too weak"),
    68: (Reason.WEAK_SIGNATURE, "its signature is too weak"),
    _NO_AUTHORITY: _MAY_NOT_ISSUE,
}
"""What OpenSSL's verification errors (``X509_V_ERR_…``) come down to."""


class Verification:
    """
    The verdict on one device, reached certificate by certificate as OpenSSL goes down the path.

    It lives as long as the connection, so it lets go of all but its outcome.

    :ivar certificate: the device's, once it is found good.

    :param trusted: the certificates that are trusted by themselves, as OpenSSL encodes them.
    :param device: tells its IP address, which nobody knows before its first bytes.
    """

    __slots__ = ("_admission", "_device", "_path", "_refusals", "_trusted", "certificate")

    def __init__(
        self,
        admission: Admission,
        refusals: Refusals,
        trusted: Container[bytes],
        device: Callable[[], str],
    ):
        self.certificate: ClientCertificate | None = None
        self._admission = admission
        self._refusals = refusals
        self._trusted = trusted
        self._device = device
        self._path: tuple[bytes, ...] = ()

    def check(self, certificate: crypto.X509, error: int, depth: int, ok: bool) -> bool:
        """
        Decide about one certificate; OpenSSL asks about the authority first, the device last.

        What can't be understood is refused.

        :param error: what OpenSSL finds wrong with it, see :data:`_VERDICTS`.
        :param depth: how far up the path it is; the device's own is at 0.
        :param ok: whether OpenSSL finds it good.
        """
        try:
            encoded = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
            refusal = self._refusal(encoded, error, depth, ok)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.UnsupportedGeneralNameType):
            refusal = Refusal(Reason.MALFORMED, "a certificate that can't be understood")
        if refusal is not None:
            self._refusals.record(refusal, self._device())
        return refusal is None

    def _refusal(self, encoded: bytes, error: int, depth: int, ok: bool) -> Refusal | None:
        if not ok:
            certificate = x509.load_der_x509_certificate(encoded)
            # If it is overruled, OpenSSL asks again about the same certificate, without error.
            return (
                None
                if self._overruled(certificate, error, depth)
                else _verdict(certificate, error, depth)
            )
        self._path = (encoded, *self._path)
        if depth == 0:
            return self._refusal_of_device(self._path)
        fault = _authority_fault(encoded, encoded in self._trusted)
        return None if fault is None else _about(x509.load_der_x509_certificate(encoded), *fault)

    def _refusal_of_device(self, path: tuple[bytes, ...]) -> Refusal | None:
        digest = sha256(b"".join(path)).digest()
        is_trusted = path[0] in self._trusted
        certificate = None if is_trusted else _KNOWN.get(digest)
        if certificate is None:
            chain = [x509.load_der_x509_certificate(each) for each in path]
            fault = _device_fault(chain[0], is_trusted)
            if fault is not None:
                return _about(chain[0], *fault)
            certificate = ClientCertificate.from_chain(chain)
            _KNOWN.put(digest, certificate)
        refusal = self._admission.refusal(certificate)
        if refusal is None:
            self.certificate, self._path, self._device = certificate, (), _gone
        return refusal

    def _overruled(self, certificate: x509.Certificate, error: int, depth: int) -> bool:
        if error == _EXPIRED and depth == 0:
            return not self._admission.has_expired(certificate.not_valid_after_utc.timestamp())
        if error == _WRONG_PURPOSE:
            return _is_for_clients(certificate) and _may_sign(certificate, certificates=depth > 0)
        return False


def _gone() -> str:
    # To know the device any longer would tie its connection and this into a knot.
    return ""


@lru_cache(KNOWN_AUTHORITIES)
def _authority_fault(encoded: bytes, is_trusted: bool) -> _Fault | None:
    """Find the rule that an authority's certificate breaks at any time."""
    certificate = x509.load_der_x509_certificate(encoded)
    weakness = _weakness(certificate, signed=not is_trusted)
    if weakness is not None:
        return weakness
    # OpenSSL 3 takes a key usage alone for enough.
    may_issue = is_trusted or _may_sign(certificate, certificates=True)
    return None if may_issue else _VERDICTS[_NO_AUTHORITY]


def _device_fault(certificate: x509.Certificate, is_trusted: bool) -> _Fault | None:
    """Find the rule that a device's certificate breaks at any time."""
    weakness = _weakness(certificate, signed=not is_trusted)
    if weakness is not None:
        return weakness
    if is_trusted or _is_authority(certificate):
        return Reason.AUTHORITY_AS_CLIENT, "it is an authority's, not a device's"
    if not (_is_for_clients(certificate) and _may_sign(certificate, certificates=False)):
        return _VERDICTS[_WRONG_PURPOSE]
    return None


def _verdict(certificate: x509.Certificate, error: int, depth: int) -> Refusal:
    reason, why = _VERDICTS.get(error, (Reason.CHAIN, f"OpenSSL's verification error {error}"))
    if reason is Reason.EXPIRED and depth > 0:
        reason = Reason.AUTHORITY_EXPIRED
    return _about(certificate, reason, why)


def _about(certificate: x509.Certificate, reason: Reason, why: str) -> Refusal:
    name, issuer = loggable_name(certificate.subject), loggable_name(certificate.issuer)
    serial = serial_text(certificate.serial_number)
    return Refusal(reason, f"certificate {serial} of {name} by {issuer}: {why}")


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return (constraints is not None and constraints.ca) or (
        usage is not None and usage.key_cert_sign
    )


def _is_for_clients(certificate: x509.Certificate) -> bool:
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    return purposes is None or any(purpose in _CLIENT_PURPOSES for purpose in purposes)


def _may_sign(certificate: x509.Certificate, *, certificates: bool) -> bool:
    """Whether its key may sign other certificates, or else what a TLS handshake needs."""
    usage = _extension(certificate, x509.KeyUsage)
    if certificates:
        constraints = _extension(certificate, x509.BasicConstraints)
        is_authority = constraints is not None and constraints.ca
        return is_authority and (usage is None or usage.key_cert_sign)
    return usage is None or usage.digital_signature or usage.key_agreement


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    # To be told by an exception that there is none, as cryptography does, takes longer.
    values = (each.value for each in certificate.extensions)
    return next((value for value in values if isinstance(value, kind)), None)


def _weakness(certificate: x509.Certificate, *, signed: bool) -> _Fault | None:
    """
    Find what is too weak about a certificate.

    :param signed: whether it is trusted for its signature, and not by itself.
    """
    key = public_key(certificate)
    match key:
        case RSAPublicKey() if key.key_size < SMALLEST_RSA:
            return Reason.WEAK_KEY, f"its RSA key has {key.key_size} bits"
        case EllipticCurvePublicKey() if key.key_size < SMALLEST_CURVE:
            return Reason.WEAK_KEY, f"its curve has {key.key_size} bits"
        case DSAPublicKey():
            return Reason.WEAK_KEY, "its key is for DSA"
    digest = certificate.signature_hash_algorithm
    if signed and isinstance(digest, _WEAK_HASHES):
        return Reason.WEAK_SIGNATURE, f"its issuer signed a {digest.name} digest"
    return None
