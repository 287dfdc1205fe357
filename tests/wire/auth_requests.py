"""Auth requests as devices write them."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def pem_of(key: Any) -> str:
    """Write the public part of a key as devices do."""
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(key.public_key().public_bytes(*form).decode("ascii"))


KEY = ec.generate_private_key(ec.SECP256R1())
PEM = pem_of(KEY)


def body(identity: str = '{"mac":"00:11"}', pubkey: str = PEM, **more: object) -> bytes:
    """Write an auth request."""
    return json.dumps({"id_data": identity, "pubkey": pubkey, **more}).encode()
