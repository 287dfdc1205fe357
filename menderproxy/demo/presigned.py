"""Presigned links as S3 makes them: AWS Signature Version 4 in the query of a GET."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import attrs

_ALGORITHM = "AWS4-HMAC-SHA256"
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_SIGNATURE = "X-Amz-Signature"

Query = list[tuple[str, str]]


class Denied(Exception):
    """
    A link that opens nothing.

    :ivar code: the store's word for it, such as ``SignatureDoesNotMatch``.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@attrs.frozen
class Presigner:
    """
    Signs links and checks them; the signature covers method, host, path and the whole query.

    :param access_key: the public half of the account's credentials.
    :param secret_key: the other half.
    :param region: part of the scope that a signature is valid for.
    """

    access_key: str = "DEMOACCESSKEY"
    secret_key: str = attrs.field(factory=lambda: secrets.token_urlsafe(30), repr=False)
    region: str = "us-east-1"

    def sign(self, base_url: str, path: str, expires_in: int, now: float) -> str:
        """
        Make a link that allows one GET of *path* at a time, as often as one likes.

        :param base_url: ``scheme://host:port`` of the store.
        :param path: begins with a slash, not percent-encoded.
        :param expires_in: seconds.
        :param now: seconds since the epoch.
        """
        stamp = datetime.fromtimestamp(now, UTC).strftime(_TIME_FORMAT)
        query = [
            ("X-Amz-Algorithm", _ALGORITHM),
            ("X-Amz-Credential", f"{self.access_key}/{self._scope(stamp)}"),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", str(expires_in)),
            # Temporary credentials bring such a token along; it makes any two links differ.
            ("X-Amz-Security-Token", secrets.token_urlsafe(24)),
            ("X-Amz-SignedHeaders", "host"),
            ("response-content-type", "application/vnd.mender-artifact"),
        ]
        raw_path = quote(path)
        signature = self._signature("GET", urlsplit(base_url).netloc, raw_path, query, stamp)
        signed = urlencode([*query, (_SIGNATURE, signature)], quote_via=quote, safe="")
        return f"{base_url.rstrip('/')}{raw_path}?{signed}"

    def check(self, method: str, host: str, target: str, now: float) -> None:
        """
        Check that a request may read what it names.

        :param host: the ``Host`` header as it came.
        :param target: raw path and query.
        :raises Denied: with the store's reason.
        """
        path, _, text = target.partition("?")
        pairs = parse_qsl(text, keep_blank_values=True)
        fields = dict(pairs)
        signed = [(name, value) for name, value in pairs if name != _SIGNATURE]
        stamp = fields.get("X-Amz-Date", "")
        try:
            issued = datetime.strptime(stamp, _TIME_FORMAT).replace(tzinfo=UTC).timestamp()
            expires = issued + int(fields["X-Amz-Expires"])
        except (KeyError, ValueError):
            raise Denied("AccessDenied", "Access Denied") from None
        expected = self._signature(method, host, path, signed, stamp)
        if not hmac.compare_digest(expected.encode(), fields.get(_SIGNATURE, "").encode()):
            raise Denied("SignatureDoesNotMatch", "The request signature does not match")
        if now >= expires:
            raise Denied("AccessDenied", "Request has expired")

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/s3/aws4_request"

    def _signature(self, method: str, host: str, path: str, query: Query, stamp: str) -> str:
        canonical = urlencode(sorted(query), quote_via=quote, safe="")
        request = _lines(method, path, canonical, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD")
        digest = hashlib.sha256(request).hexdigest()
        key = f"AWS4{self.secret_key}".encode()
        for part in self._scope(stamp).split("/"):
            key = _hmac(key, part.encode())
        return _hmac(key, _lines(_ALGORITHM, stamp, self._scope(stamp), digest)).hex()


def _lines(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
