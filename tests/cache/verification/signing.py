"""Signatures as ``mender-artifact sign`` makes them."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


def raw_ecdsa(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Sign with the two numbers one after the other."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def der_ecdsa(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Sign as hardware modules do."""
    return base64.b64encode(key.sign(message, ec.ECDSA(SHA256())))


def rsa_pkcs1(key: rsa.RSAPrivateKey, message: bytes) -> bytes:
    """Sign with an RSA key."""
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), SHA256()))
