"""The operator's own list of certificates that are refused, whatever their issuer says of them."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Set
from io import BytesIO

import attrs
from cryptography import x509
from cryptography.x509.oid import NameOID

from menderproxy.listen.client_certificate import Issued

QUOTED = 40
"""How many characters of a line that can't be read are repeated in the remark about it."""
REMARKS = 20
"""How many lines are remarked upon; of the others only the number is told."""
MOST_MARKS = 16
"""How many ``#`` behind an issuer's name are tried as a comment's first: names hardly have any."""

# Spelled out, as IGNORECASE doubles the time that a million lines take.
_SERIAL = re.compile(
    rb"(?:serial=)?(-?)(?:0[xX])?"
    rb"([0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{2})+|[0-9A-Fa-f]+)(?=[\s#]|\Z)"
)
_KEY = re.compile(rb"spki:\s*((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})\s*(?:#|\Z)", re.IGNORECASE)

_ATTRIBUTES = {
    "GN": NameOID.GIVEN_NAME,
    "SN": NameOID.SURNAME,
    "businessCategory": NameOID.BUSINESS_CATEGORY,
    "dnQualifier": NameOID.DN_QUALIFIER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "generationQualifier": NameOID.GENERATION_QUALIFIER,
    "initials": NameOID.INITIALS,
    "jurisdictionC": NameOID.JURISDICTION_COUNTRY_NAME,
    "jurisdictionL": NameOID.JURISDICTION_LOCALITY_NAME,
    "jurisdictionST": NameOID.JURISDICTION_STATE_OR_PROVINCE_NAME,
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "postalAddress": NameOID.POSTAL_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "pseudonym": NameOID.PSEUDONYM,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "street": NameOID.STREET_ADDRESS,
    "title": NameOID.TITLE,
    "unstructuredName": NameOID.UNSTRUCTURED_NAME,
}
"""What OpenSSL calls the attributes that RFC 4514 has no short name for."""


@attrs.frozen
class Blacklist:
    """
    Certificates and keys that are refused.

    A line of the file is one of

    * ``0A1B2C``: the serial number of a certificate, whoever issued it, in hexadecimal; upper or
      lower case, colons, ``0x``, ``serial=`` and leading zeros make no difference,
    * ``0A1B2C CN=Factory CA,O=ACME``: the same of one issuer only, named as ``openssl x509
      -issuer -nameopt RFC2253`` does,
    * ``spki:`` and the SHA-256 of a key (a DER SubjectPublicKeyInfo): all certificates of this
      key, and all that were issued with it.

    ``#`` starts a comment, on a line of its own or after an entry.

    :param serials: refused whoever issued them.
    :param named: serial numbers refused of these issuers only.
    :param keys: SHA-256 of refused keys.
    :param remarks: on the lines that can't be read, for the log.
    :param size: how many lines apply.
    """

    serials: Set[int] = attrs.field(default=frozenset(), repr=False)
    named: Mapping[int, Set[x509.Name]] = attrs.field(factory=dict, repr=False)
    keys: Set[bytes] = attrs.field(default=frozenset(), repr=False)
    remarks: tuple[str, ...] = ()
    size: int = 0

    @classmethod
    def parse(cls, content: bytes) -> Blacklist:
        """
        Read a file; a line that can't be read is remarked upon, and the others apply.

        :param content: UTF-8, with or without byte order mark.
        """
        serials: set[int] = set()
        named: dict[int, set[x509.Name]] = {}
        keys: set[bytes] = set()
        junk = _Junk()
        size = 0
        for number, line in _lines(content):
            try:
                entry = _entry(line)
            except ValueError as error:
                junk.add(number, line, str(error))
                continue
            size += 1
            match entry:
                case bytes() as key:
                    keys.add(key)
                case int() as serial:
                    serials.add(serial)
                case serial, names:
                    named.setdefault(serial, set()).update(names)
        return cls(frozenset(serials), named, frozenset(keys), junk.remarks, size)

    def __len__(self) -> int:
        return self.size

    def lists(self, issued: Issued) -> bool:
        """Whether a certificate is refused."""
        return self.rule(issued) is not None

    def rule(self, issued: Issued) -> str | None:
        """Tell what a certificate is refused for, ``None`` if it is not."""
        if issued.serial in self.serials:
            return "its serial number"
        if issued.issuer in self.named.get(issued.serial, ()):
            return "its serial number and issuer"
        if issued.key in self.keys:
            return "its key"
        # The authority that we trust is in no path: its key shows only in what it signed.
        return "its issuer's key" if issued.issuer_key in self.keys else None


@attrs.define
class _Junk:
    """The lines that can't be read: if it is not our kind of file at all, there are very many."""

    _told: list[str] = attrs.field(factory=list)
    _untold: int = 0

    def add(self, number: int, line: bytes, why: str) -> None:
        if len(self._told) == REMARKS:
            self._untold += 1
            return
        text = line.decode(errors="replace")[:QUOTED]
        quoted = "".join(each if each.isprintable() else "?" for each in text)
        self._told.append(f"line {number}: '{quoted}': {why}")

    @property
    def remarks(self) -> tuple[str, ...]:
        more = (f"{self._untold} more lines can't be read",) if self._untold else ()
        return (*self._told, *more)


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Number the lines that are more than a comment."""
    for number, line in enumerate(BytesIO(content.removeprefix(BOM_UTF8)), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith(b"#"):
            yield number, stripped


def _entry(line: bytes) -> int | tuple[int, set[x509.Name]] | bytes:
    """
    Read a line as a serial number, one with its issuer, or a key.

    :raises ValueError: it is nothing of the kind.
    """
    serial = _SERIAL.match(line)
    if serial is None:
        return _key(line)
    number = int(serial[1] + serial[2].replace(b":", b""), 16)
    issuer = line[serial.end() :].lstrip()
    if not issuer or issuer.startswith(b"#"):
        return number
    return number, _names(issuer)


def _key(line: bytes) -> bytes:
    key = _KEY.match(line)
    if key is not None:
        return bytes.fromhex(key[1].replace(b":", b"").decode())
    if line[:5].lower() == b"spki:":
        raise ValueError("not a SHA-256 of 64 hexadecimal digits")
    raise ValueError("not a hexadecimal serial number")


def _names(text: bytes) -> set[x509.Name]:
    """
    Read an issuer's name and perhaps a comment.

    ``CN=Line # 3`` may be either a name or a name with a comment: both names count, as to refuse
    too little is worse.

    :raises ValueError: there is no name.
    """
    name = text.removeprefix(b"issuer=")
    ends = [each.start() for each in re.finditer(b"(?<!=)#", name)]
    readings = (_name(name[:end].strip()) for end in (*ends[:MOST_MARKS], len(name)))
    names = {each for each in readings if each is not None}
    if not names:
        raise ValueError("no issuer's name, as RFC 4514 has it, after the serial number")
    return names


def _name(text: bytes) -> x509.Name | None:
    # The parser reads the DER that may stand after "=#" as if it were text: no name would match.
    if not text or b"=#" in text:
        return None
    try:
        return x509.Name.from_rfc4514_string(text.decode(), _ATTRIBUTES)
    except (ValueError, TypeError):
        return None
