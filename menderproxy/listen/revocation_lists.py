"""What the authorities have revoked: X.509 certificate revocation lists (RFC 5280, section 5)."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from menderproxy.listen.client_certificate import Issued, key_hash, loggable_name

_PEM_BEGIN, _PEM_END = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)
_UNDERSTOOD = (x509.AuthorityKeyIdentifier, x509.IssuerAlternativeName)
_UNDERSTOOD_OF_ENTRIES = (x509.CRLReason, x509.InvalidityDate)
_REMOVED = x509.CRLReason(x509.ReasonFlags.remove_from_crl)
_MALFORMED = (
    TypeError,
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

_Authority = tuple[x509.Name, bytes]
"""A name and the SHA-256 of a key: two authorities may share the one or the other."""


class Status(enum.Enum):
    """
    What the lists say of a certificate.

    ``EXPIRED`` and ``NOT_YET`` are about a list: it does not have the certificate, but is no
    longer, or not yet, in force. ``MISSING``: the issuer has no list here.
    """

    GOOD = "good"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    MISSING = "missing"


class RevocationListError(Exception):
    """A revocation list can't be used; the text names the file and the issuer and says why."""


@attrs.frozen
class RevocationList:
    """
    One list, its signature checked.

    :param issuer: as text for logs.
    :param scope: which of its issuer's certificates it is about; ``None`` for all.
    :param number: grows from list to list; not every issuer counts.
    :param this_update: Unix time it is in force from.
    :param next_update: Unix time its successor was promised for.
    :param serials: of the revoked certificates.
    """

    issuer: str
    scope: x509.IssuingDistributionPoint | None
    number: int | None
    this_update: float
    next_update: float
    serials: frozenset[int] = attrs.field(repr=False)

    def covers(self, *, authority: bool) -> bool:
        """Whether it is about certificates of authorities, or else of devices."""
        if self.scope is None:
            return True
        return not (
            self.scope.only_contains_user_certs if authority else self.scope.only_contains_ca_certs
        )

    def state(self, now: float) -> Status:
        """Tell whether it is in force (``GOOD``), out of date or not in force yet."""
        if now < self.this_update:
            return Status.NOT_YET
        return Status.EXPIRED if now > self.next_update else Status.GOOD

    def supersedes(self, other: RevocationList) -> bool:
        """Whether it is newer than another of the same issuer and scope."""
        if self.number is None or other.number is None or self.number == other.number:
            return self.this_update > other.this_update
        return self.number > other.number


@attrs.frozen
class RevocationLists:
    """
    The lists of all authorities.

    An issuer may have several, each about some of its certificates; of those about the same ones
    the newest counts.
    """

    _lists: Mapping[_Authority, Sequence[RevocationList]]
    _without: tuple[str, ...] = ()

    @classmethod
    def load(
        cls, files: Sequence[tuple[str, bytes]], authorities: Sequence[x509.Certificate]
    ) -> RevocationLists:
        """
        Read files and check all there is to check, but not the time.

        :param files: path and content of each: one list in DER, or any number in PEM with any
            text between them.
        :param authorities: who may sign lists.
        :raises RevocationListError: a file holds no list, or one that we can't go by.
        """
        keys = dict(_keys(authorities))
        newest: dict[_Authority, dict[object, RevocationList]] = {each: {} for each in keys}
        for path, content in files:
            for authority, read in _read(path, content, keys):
                known = newest[authority].get(read.scope)
                if known is None or read.supersedes(known):
                    newest[authority][read.scope] = read
        return cls(
            {authority: tuple(lists.values()) for authority, lists in newest.items()},
            tuple(loggable_name(name) for (name, _), lists in newest.items() if not lists),
        )

    @property
    def expires(self) -> Mapping[str, float]:
        """Unix time at which the (first) list of each issuer is out of date."""
        expires: dict[str, float] = {}
        for each in self._all():
            expires[each.issuer] = min(each.next_update, expires.get(each.issuer, each.next_update))
        return expires

    def status(self, issued: Issued, now: float, *, authority: bool = False) -> Status:
        """
        Look a certificate up.

        :param now: Unix time.
        :param authority: whether it is the certificate of an authority, not of a device.
        """
        status = Status.MISSING
        for each in self._lists.get((issued.issuer, issued.issuer_key), ()):
            if issued.serial in each.serials:
                return Status.REVOKED
            if status in (Status.MISSING, Status.GOOD) and each.covers(authority=authority):
                status = each.state(now)
        return status

    def overdue(self, now: float) -> tuple[str, ...]:
        """Name the lists that are not in force and the authorities without one, a line each."""
        lines = [f"revocation list of {issuer}: missing" for issuer in self._without]
        for each in self._all():
            match each.state(now):
                case Status.EXPIRED:
                    why = f"out of date since {_date(each.next_update)}"
                case Status.NOT_YET:
                    why = f"in force only from {_date(each.this_update)}: is the clock right?"
                case _:
                    continue
            lines.append(f"revocation list of {each.issuer}: {why}")
        return tuple(lines)

    def _all(self) -> Iterator[RevocationList]:
        return (each for lists in self._lists.values() for each in lists)


def _keys(
    authorities: Sequence[x509.Certificate],
) -> Iterator[tuple[_Authority, CertificatePublicKeyTypes]]:
    for each in authorities:
        try:
            yield (each.subject, key_hash(each)), each.public_key()
        except (ValueError, UnsupportedAlgorithm):
            continue  # A key of an unknown kind: none of its certificates can be verified either.


class _Fault(Exception):
    """Why a list can't be used."""


def _read(
    path: str, content: bytes, keys: Mapping[_Authority, CertificatePublicKeyTypes]
) -> Iterator[tuple[_Authority, RevocationList]]:
    for place, encoded in _encoded(path, content):
        crl = _decoded(place, encoded)
        try:
            authority, read = _signer(crl, keys), _checked(crl)
        except (_Fault, UnsupportedAlgorithm, *_MALFORMED) as error:
            issuer = loggable_name(crl.issuer)
            why = error if isinstance(error, _Fault) else "malformed, or signed in an unknown way"
            raise RevocationListError(f"{place}: revocation list of {issuer}: {why}") from None
        yield authority, read


def _encoded(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Split a file into lists, each with a name for errors about it."""
    # Not by a regular expression: each beginning would be followed to the end of the file.
    _, *parts = content.split(_PEM_BEGIN)
    if any(_PEM_END not in part for part in parts):
        raise RevocationListError(f"{path}: a revocation list in PEM has no end")
    if not parts:
        yield path, content
    for number, part in enumerate(parts, 1):
        place = f"{path}, list {number}" if len(parts) > 1 else path
        yield place, _PEM_BEGIN + part.partition(_PEM_END)[0] + _PEM_END


def _decoded(place: str, encoded: bytes) -> x509.CertificateRevocationList:
    in_pem = encoded.startswith(_PEM_BEGIN)
    try:
        crl = x509.load_pem_x509_crl(encoded) if in_pem else x509.load_der_x509_crl(encoded)
        loggable_name(crl.issuer)
    except _MALFORMED:
        raise RevocationListError(f"{place}: not a certificate revocation list") from None
    return crl


def _signer(
    crl: x509.CertificateRevocationList, keys: Mapping[_Authority, CertificatePublicKeyTypes]
) -> _Authority:
    namesakes = {each: key for each, key in keys.items() if each[0] == crl.issuer}
    if not namesakes:
        raise _Fault("no authority of this name is trusted here")
    digest = crl.signature_hash_algorithm
    if isinstance(digest, _WEAK_HASHES):
        raise _Fault(f"its issuer signed a {digest.name} digest")
    for authority, key in namesakes.items():
        if _is_signed_with(crl, key):
            return authority
    raise _Fault("its signature is not of the authority of this name")


def _is_signed_with(crl: x509.CertificateRevocationList, key: CertificatePublicKeyTypes) -> bool:
    try:
        return crl.is_signature_valid(key)  # type: ignore[arg-type]
    except TypeError:
        return False  # The key is of a kind that can't sign.


def _checked(crl: x509.CertificateRevocationList) -> RevocationList:
    if crl.next_update_utc is None:
        raise _Fault("it does not say when the next one is due")
    scope: x509.IssuingDistributionPoint | None = None
    number: int | None = None
    for extension in crl.extensions:
        match extension.value:
            case x509.IssuingDistributionPoint() as scope:
                _check_scope(scope)
            case x509.CRLNumber(crl_number=number):
                pass
            case x509.DeltaCRLIndicator():
                raise _Fault("a delta list, without what it is the difference to")
            case other if extension.critical and not isinstance(other, _UNDERSTOOD):
                raise _Fault(f"unknown critical extension {extension.oid.dotted_string}")
    return RevocationList(
        issuer=loggable_name(crl.issuer),
        scope=scope,
        number=number,
        this_update=crl.last_update_utc.timestamp(),
        next_update=crl.next_update_utc.timestamp(),
        serials=frozenset(each.serial_number for each in crl if _is_revoked(each)),
    )


def _check_scope(scope: x509.IssuingDistributionPoint) -> None:
    if scope.indirect_crl:
        raise _Fault("an indirect list, of certificates that others issued")
    if scope.only_some_reasons is not None:
        raise _Fault("a list of certificates revoked for some reasons only")
    if scope.only_contains_attribute_certs:
        raise _Fault("a list of attribute certificates")


def _is_revoked(entry: x509.RevokedCertificate) -> bool:
    """Read an entry: even a certificate on hold is revoked, one taken off the list is not."""
    revoked = True
    for extension in entry.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD_OF_ENTRIES):
            raise _Fault(f"unknown critical extension {extension.oid.dotted_string} of an entry")
        if extension.value == _REMOVED:
            revoked = False
    return revoked


def _date(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
