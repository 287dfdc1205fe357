"""
The JSON Web Tokens that devices and users show to the Mender Server.

Nobody here has the key to verify one: what a token says is a hint until the Mender Server has taken
it for genuine.
"""

from __future__ import annotations

import json
from binascii import a2b_base64
from collections.abc import Iterable
from typing import Any

_LONGEST = 16 * 1024
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def bearer_token(authorization: bytes | None) -> bytes | None:
    """The token in an ``Authorization`` header, if there is one."""
    scheme, *rest = (authorization or b"").split(None, 1) or [b""]
    return rest[0].strip() if rest and scheme.lower() == b"bearer" else None


def shown_tokens(authorizations: Iterable[bytes], cookies: Iterable[bytes]) -> frozenset[bytes]:
    """
    All tokens of a request, wherever a server may look for one.

    The Mender Server takes one from the first ``Authorization``, or else from a cookie ``JWT``.

    :param authorizations: the values of all ``Authorization`` headers.
    :param cookies: the values of all ``Cookie`` headers.
    """
    found = {bearer_token(value) for value in authorizations}
    for value in cookies:
        for cookie in value.split(b";"):
            name, _, token = cookie.strip().partition(b"=")
            if name == b"JWT":
                found.add(token.strip(b'" '))
    return frozenset(token for token in found if token)


def claims(token: str) -> dict[str, Any]:
    """What a token says; nothing if it can't be read."""
    payload = token.partition(".")[2].partition(".")[0]
    if not payload or len(token) > _LONGEST:
        return {}
    try:
        encoded = payload.encode("ascii").translate(_FROM_URL_SAFE)
        said = json.loads(a2b_base64(encoded + b"=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def device_id(token: bytes) -> str | None:
    """The id of the device that a token is for, as it says."""
    subject = claims(token.decode("latin-1")).get("sub")
    return subject if isinstance(subject, str) and subject else None
