"""The tokens that the demo server gives to accepted devices and to users."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from typing import Literal

import attrs

LIFETIME = 604800


class Expired(Exception):
    """The token was good once."""


@attrs.frozen
class Claims:
    """
    What a token says.

    :param id: what it belongs to: a device's auth set, a user's session.
    :param subject: whose it is.
    """

    id: str
    subject: str


@attrs.frozen
class TokenIssuer:
    """
    Makes and checks JSON Web Tokens with the claims of Mender's.

    :param kind: of its subjects; a token for one kind is worth nothing to the other.
    :param secret: the HMAC-SHA256 key.
    """

    kind: Literal["device", "user"]
    secret: bytes = attrs.field(factory=lambda: secrets.token_bytes(32), repr=False)

    def issue(self, claims: Claims, now: float, *, expires: bool = True) -> str:
        """
        Make a token.

        :param expires: a week from now, or never.
        """
        fields = {
            "jti": claims.id,
            "sub": claims.subject,
            **({"exp": int(now) + LIFETIME} if expires else {}),
            "iat": int(now),
            "nbf": int(now),
            "iss": "Mender",
            "scp": "mender.*",
            f"mender.{self.kind}": True,
        }
        head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        signed = f"{head}.{_encode(json.dumps(fields).encode())}"
        return f"{signed}.{self._signature(signed)}"

    def check(self, token: str, now: float) -> Claims | None:
        """
        Tell what a token says, or ``None`` when we never issued it.

        :raises Expired: when its time is over.
        """
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            return None
        fields = json.loads(_decode(signed.partition(".")[2]))
        if "exp" in fields and now >= fields["exp"]:
            raise Expired
        return Claims(fields["jti"], fields["sub"])

    def _signature(self, signed: str) -> str:
        return _encode(hmac.digest(self.secret, signed.encode(), "sha256"))


def bearer_token(authorization: bytes | None) -> str:
    """Take the token out of an ``Authorization`` header; empty when there is none."""
    scheme, _, token = (authorization or b"").decode("latin-1").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
