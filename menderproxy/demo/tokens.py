"""The tokens that the demo server gives to accepted devices."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import uuid

import attrs

LIFETIME = 604800


class Expired(Exception):
    """The token was good once."""


@attrs.frozen
class TokenIssuer:
    """
    Makes and checks JSON Web Tokens with the claims of a Mender device token.

    :param secret: the HMAC-SHA256 key.
    """

    secret: bytes = attrs.field(factory=lambda: secrets.token_bytes(32), repr=False)

    def issue(self, device_id: str, now: float) -> str:
        """Make a token for one device, valid for a week."""
        claims = {
            "jti": str(uuid.uuid4()),
            "sub": device_id,
            "exp": int(now) + LIFETIME,
            "iat": int(now),
            "nbf": int(now),
            "iss": "Mender",
            "scp": "mender.*",
            "mender.device": True,
        }
        head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        signed = f"{head}.{_encode(json.dumps(claims).encode())}"
        return f"{signed}.{self._signature(signed)}"

    def device_id(self, token: str, now: float) -> str | None:
        """
        Tell whose token this is, or ``None`` when we never issued it.

        :raises Expired: when its time is over.
        """
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            return None
        claims = json.loads(_decode(signed.partition(".")[2]))
        if now >= claims["exp"]:
            raise Expired
        return str(claims["sub"])

    def _signature(self, signed: str) -> str:
        return _encode(hmac.digest(self.secret, signed.encode(), "sha256"))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
