"""Public keys of those who may sign artifacts, and the check of a signature."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

P256_NUMBER = 32
"""Bytes of each of the two numbers in a signature made with a P-256 key."""


def load_verify_keys(paths: Sequence[str]) -> tuple[PublicKey, ...]:
    """
    Read public keys, RSA or ECDSA with the curve P-256, one in each PEM file.

    :raises ValueError: naming the file and the reason.
    """
    return tuple(_load_verify_key(path) for path in paths)


def _load_verify_key(path: str) -> PublicKey:
    try:
        key = load_pem_public_key(Path(path).read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{path}: not a public key in PEM format") from None
    if isinstance(key, rsa.RSAPublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError(f"{path}: neither an RSA key nor an ECDSA key with the curve P-256")


def is_signed_by(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """
    Say whether the owner of a key signed a message.

    :param signature: in base64: for RSA that of PKCS #1 v1.5, for ECDSA the two numbers in 32
        bytes each or, as hardware modules write them, in DER; always over the SHA-256 digest.
    """
    try:
        raw = base64.b64decode(signature.strip(), validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(raw, message, padding.PKCS1v15(), SHA256())
        else:
            key.verify(_in_der(raw), message, ec.ECDSA(SHA256()))
    except (binascii.Error, InvalidSignature):
        return False
    return True


def _in_der(raw: bytes) -> bytes:
    if len(raw) != 2 * P256_NUMBER:
        return raw
    r, s = raw[:P256_NUMBER], raw[P256_NUMBER:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
