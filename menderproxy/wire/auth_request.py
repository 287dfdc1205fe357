"""What a device says of itself when it asks for a token: its identity and its public key."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

LONGEST = 64 * 1024
"""Bytes of a request for a token; real ones have one or two thousand."""

DEEPEST = 32
"""Levels of objects and arrays in an identity; real ones have one or two."""

_PEM = re.compile(
    r"[ \t\r\n]*-----BEGIN PUBLIC KEY-----[0-9A-Za-z+/= \t\r\n]+-----END PUBLIC KEY-----[ \t\r\n]*"
)


@attrs.frozen
class AuthRequest:
    """
    Identity and public key of an auth request.

    The request itself is forwarded as it came: the device's signature covers its very bytes.
    What is read here must be what the Mender Server will read there, so a request that two
    programs could read differently is refused.

    :param identity: the identity as the Mender Server compares it: parsed.
    :param identity_text: the same as ASCII JSON without white space, keys sorted: equal for
        equal identities.
    :param pubkey: PEM, exactly as sent.
    :param key: SHA-256 of the key as a DER SubjectPublicKeyInfo.
    """

    identity: dict[str, object] = attrs.field(eq=False, repr=False)
    identity_text: str
    pubkey: str = attrs.field(eq=False, repr=False)
    key: bytes

    @classmethod
    def parse(cls, body: bytes) -> AuthRequest:
        """
        Read the body of an auth request.

        :raises ValueError: with a short reason, which quotes nothing of the request.
        """
        if len(body) > LONGEST:
            raise ValueError("an auth request as long as that is none")
        fields = _object(_text(body), "the auth request", fold=True)
        identity = _object(_string(fields, "id_data"), "id_data")
        if _is_deeper(identity, DEEPEST):
            raise ValueError("id_data is nested too deeply")
        pubkey = _string(fields, "pubkey")
        key = key_of(pubkey)
        if key is None:
            raise ValueError("pubkey is not a public key in PEM form")
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return cls(identity, text, pubkey, key)


def key_of(pem: str) -> bytes | None:
    """
    SHA-256 of a public key, by which keys are compared however they are written.

    :param pem: one PEM block ``PUBLIC KEY`` and nothing else.
    :returns: ``None`` when it is no such block.
    """
    if not _PEM.fullmatch(pem):
        return None
    try:
        key = load_pem_public_key(pem.strip().encode("ascii"))
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return hashlib.sha256(der).digest()


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the auth request is not UTF-8") from None


def _object(text: str, what: str, *, fold: bool = False) -> dict[str, object]:
    """
    Read a JSON object.

    :param fold: the Mender Server finds the fields of the request whatever the case of their
        names, so names that differ only there are twice the same.
    """

    def members(pairs: list[tuple[str, Any]]) -> dict[str, object]:
        names = {name.casefold() if fold else name for name, _ in pairs}
        if len(names) < len(pairs):
            raise _Ambiguous
        return dict(pairs)

    try:
        value = json.loads(
            text, object_pairs_hook=members, parse_float=_finite, parse_constant=_finite
        )
    except _Ambiguous:
        raise ValueError(f"{what} holds a name twice") from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not a JSON object")
    return value


class _Ambiguous(Exception):
    """A name was given twice in one object."""


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that is none in JSON, or too large")
    return number


def _string(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"the auth request has no text {name!r}")
    return value


def _is_deeper(value: object, levels: int) -> bool:
    """Whether there are more levels of objects and arrays; not by recursion, which has its end."""
    level = [value]
    for _ in range(levels):
        level = [inner for each in level for inner in _members(each)]
    return any(isinstance(each, dict | list) for each in level)


def _members(value: object) -> list[object]:
    """Give what objects and arrays hold."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
