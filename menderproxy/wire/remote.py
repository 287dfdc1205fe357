"""What a store's answer says about the object it serves, parsed strictly."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime

import attrs

from menderproxy.wire.headers import CONTROL
from menderproxy.wire.ranges import parse_content_range

_MD5_TAG = re.compile(r'"([0-9a-fA-F]{32})"')
# An answer may be dated before the object is looked up, and be of another machine than its date.
_MOST_AHEAD = 60.0
_SECONDS = re.compile(r"[0-9]{1,9}")
_CUSTOMER_KEY = "x-amz-server-side-encryption-customer-algorithm"


@attrs.frozen
class RemoteObject:
    """
    An object in a store, as one answer describes it.

    Only an answer with status 200 or 206 describes an object; of any other one, status and
    :attr:`retry_after` are all that is known.

    :param status: HTTP status of the answer.
    :param length: length of the whole object in bytes, ``None`` when unknown.
    :param first: offset of the first byte in the answer's body.
    :param etag: entity tag as written, quotes and weakness mark included.
    :param last_modified: ``Last-Modified`` as written.
    :param content_type: ``Content-Type`` as written.
    :param age: seconds since it was last modified when the answer was made, by the store's own
        clock; ``None`` when it doesn't say.
    :param md5: MD5 of the whole object.
    :param sha256: SHA-256 of the whole object.
    :param retry_after: seconds that the store asks us to wait before the next request.
    """

    status: int
    length: int | None = None
    first: int = 0
    etag: str | None = None
    last_modified: str | None = None
    content_type: str | None = None
    age: float | None = attrs.field(default=None, eq=False)
    md5: bytes | None = None
    sha256: bytes | None = None
    retry_after: float | None = None

    @classmethod
    def from_headers(
        cls, status: int, headers: Sequence[tuple[bytes, bytes]], body_length: int | None
    ) -> RemoteObject:
        """
        Read an answer's status and headers.

        :param body_length: length of the answer's body in bytes, ``None`` when unknown.
        :raises ValueError: when the body would not be the bytes of the object as they are, or
            the answer leaves open which of them it holds.
        """
        fields = _fields(headers)
        retry_after = _retry_after(fields)
        if status not in (200, 206):
            return cls(status, retry_after=retry_after)
        _check_body_is_plain(fields)
        first, length = 0, body_length
        if status == 206:
            first, length = _part(fields, body_length)
        return cls(
            status=status,
            length=length,
            first=first,
            etag=_shown(fields, "etag"),
            last_modified=_shown(fields, "last-modified"),
            content_type=_shown(fields, "content-type"),
            age=_age(fields),
            md5=_md5(fields, whole=status == 200),
            sha256=_sha256(fields) if status == 200 else None,
            retry_after=retry_after,
        )

    def made_before(self, answered_at: float) -> float:
        """
        Tell a moment at which the object certainly was at the store.

        Only differences of the store's own clock are used, which may be wrong. Dates in headers are
        whole seconds, so that its age may be one too many.

        :param answered_at: Unix time of our clock, when the answer was here.
        :returns: Unix time of our clock; 0 when nobody knows.
        """
        return 0.0 if self.age is None else answered_at - self.age + 1

    def same_object(self, other: RemoteObject) -> bool:
        """
        Whether bytes of both answers may be put together into one file.

        Lengths must be known and equal. Of strong entity tag and modification time at least one
        must be known on both sides, and none may differ; a weak tag proves nothing about bytes.
        Stores that give neither are taken by their length alone.
        """
        if self.length is None or self.length != other.length:
            return False
        if not self._has_validator() and not other._has_validator():
            return True
        comparable = [
            (mine, theirs)
            for mine, theirs in (
                (self._strong_etag(), other._strong_etag()),
                (self.last_modified, other.last_modified),
            )
            if mine is not None and theirs is not None
        ]
        return bool(comparable) and all(mine == theirs for mine, theirs in comparable)

    def _has_validator(self) -> bool:
        return self.etag is not None or self.last_modified is not None

    def _strong_etag(self) -> str | None:
        return None if self.etag is None or self.etag.startswith("W/") else self.etag


def _fields(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Index headers by lower-case name, values of repeated ones joined as HTTP says."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
        if fields.setdefault(name, value) != value:
            fields[name] += ", " + value
    return fields


def _shown(fields: dict[str, str], name: str) -> str | None:
    """Give what devices are shown as well, unless some program could take it for two headers."""
    value = fields.get(name)
    return None if value is None or CONTROL.search(value.encode("latin-1")) else value


def _check_body_is_plain(fields: dict[str, str]) -> None:
    encoding = fields.get("content-encoding", "")
    if encoding.lower() not in ("", "identity"):
        raise ValueError(f"the store encoded the body: Content-Encoding {encoding!r}")
    if fields.get("content-type", "").lower().startswith("multipart/byteranges"):
        raise ValueError("the store answered with several ranges")


def _part(fields: dict[str, str], body_length: int | None) -> tuple[int, int]:
    """Give the offset of a partial body and the length of the object that it is a part of."""
    part = parse_content_range(fields.get("content-range", "").encode("latin-1"))
    if part.total is None:
        raise ValueError("the store does not say how long the object is")
    if body_length not in (None, part.last - part.first + 1):
        raise ValueError("the body is not as long as Content-Range says")
    return part.first, part.total


def _md5(fields: dict[str, str], *, whole: bool) -> bytes | None:
    """
    Find the object's MD5.

    ``Content-MD5`` is about the body, which must then be the whole object. An S3 entity tag is
    the MD5 only of objects uploaded in one piece and not encrypted with a key of the customer.
    """
    given = _digest(fields.get("content-md5", ""), 16) if whole else None
    tag = _MD5_TAG.fullmatch(fields.get("etag", ""))
    if given is not None or tag is None:
        return given
    encryption = fields.get("x-amz-server-side-encryption", "").lower()
    if encryption.startswith("aws:kms") or _CUSTOMER_KEY in fields:
        return None
    return bytes.fromhex(tag[1])


def _sha256(fields: dict[str, str]) -> bytes | None:
    """Find the object's SHA-256, not to be taken from a checksum of its parts' checksums."""
    if fields.get("x-amz-checksum-type", "FULL_OBJECT").upper() != "FULL_OBJECT":
        return None
    return _digest(fields.get("x-amz-checksum-sha256", ""), 32)


def _digest(text: str, size: int) -> bytes | None:
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return digest if len(digest) == size else None


def _retry_after(fields: dict[str, str]) -> float | None:
    """Read ``Retry-After``; a date counts from the store's own clock, its ``Date``."""
    text = fields.get("retry-after", "")
    if _SECONDS.fullmatch(text):
        return float(text)
    until, now = _date(text), _date(fields.get("date", ""))
    if until is None or now is None:
        return None
    return max(0.0, (until - now).total_seconds())


def _age(fields: dict[str, str]) -> float | None:
    """Compare ``Last-Modified`` with the store's own clock, its ``Date``."""
    modified, now = _date(fields.get("last-modified", "")), _date(fields.get("date", ""))
    if modified is None or now is None:
        return None
    age = (now - modified).total_seconds()
    return None if age < -_MOST_AHEAD else max(0.0, age)


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).replace(tzinfo=None)  # HTTP dates are always in GMT
    except (ValueError, OverflowError):
        return None
