"""What a device says about itself when it asks for a token, and whether it signed that."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

import attrs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from menderproxy.demo import go_json

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class BadSignature(Exception):
    """The body was not signed by the key that it names."""


@attrs.frozen
class AuthRequest:
    """
    A device's request for a token, with its signature checked.

    :param identity: the identity as canonical JSON text: sorted keys, no white space.
    :param pubkey_pem: the key in its canonical PEM form.
    """

    identity: str
    pubkey_pem: str

    @classmethod
    def parse(cls, body: bytes, signature: str | None) -> AuthRequest:
        """
        Read and verify the body as it came: the signature covers its very bytes.

        :param signature: the ``X-MEN-Signature`` header, base64.
        :raises ValueError: when something is missing or malformed; says what.
        :raises BadSignature: when the signature is another key's or another body's.
        """
        try:
            fields = json.loads(body)
            identity = json.loads(fields["id_data"])
            pem = fields["pubkey"].encode()
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError("failed to decode auth request: invalid id_data or pubkey") from None
        if not isinstance(identity, dict):
            raise ValueError("invalid auth request: id_data must be a JSON object")
        if not signature:
            raise ValueError("missing request signature header")
        key = load_public_key(pem)
        _verify(key, signature, body)
        return cls(canonical_identity(identity), canonical_pem(key))


def canonical_identity(identity: Mapping[str, object]) -> str:
    """Write an identity as the server compares it: sorted keys, no white space."""
    return go_json.dumps(identity, sort_keys=True)


def canonical_pem(key: PublicKey) -> str:
    """Write a key as the server compares it, however it was spelled."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat
    return key.public_bytes(encoding, form.SubjectPublicKeyInfo).decode()


def load_public_key(pem: bytes) -> PublicKey:
    """
    Read a key.

    :raises ValueError: when it is none, or of a kind that devices don't have.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("cannot decode public key") from None
    if not isinstance(key, PublicKey):
        raise ValueError("unsupported public key type")
    return key


def _verify(key: PublicKey, signature: str, body: bytes) -> None:
    try:
        raw = base64.b64decode(signature, validate=True)
        match key:
            case rsa.RSAPublicKey():
                key.verify(raw, body, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePublicKey():
                key.verify(raw, body, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PublicKey():
                key.verify(raw, body)
    except (binascii.Error, InvalidSignature):
        raise BadSignature from None
