"""
The JSON Web Tokens that devices and users show to the Mender Server.

Nobody here has the key to verify one: what a token says is a hint until the Mender Server has taken
it for genuine.
"""

from __future__ import annotations

import base64
import json
from typing import Any

_LONGEST = 16 * 1024


def bearer_token(authorization: bytes | None) -> bytes | None:
    """The token in an ``Authorization`` header, if there is one."""
    scheme, _, token = (authorization or b"").strip().partition(b" ")
    return token.strip() or None if scheme.lower() == b"bearer" else None


def claims(token: str) -> dict[str, Any]:
    """What a token says; nothing if it can't be read."""
    payload = [*token.split("."), ""][1] if len(token) <= _LONGEST else ""
    try:
        said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def device_id(token: bytes) -> str | None:
    """The id of the device that a token is for, as it says."""
    subject = claims(token.decode("latin-1")).get("sub")
    return subject if isinstance(subject, str) and subject else None
