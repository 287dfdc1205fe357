"""The key pair that proves a device's identity to the server."""

from __future__ import annotations

import base64
from typing import Literal

import attrs
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

Algorithm = Literal["rsa", "ec", "ed25519"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@attrs.frozen
class DeviceKey:
    """
    A private key of one of the three kinds that Mender devices use.

    Make one with :meth:`generate`.
    """

    _private: PrivateKey = attrs.field(repr=False)

    @classmethod
    def generate(cls, algorithm: Algorithm = "ec") -> DeviceKey:
        """Make a new key: RSA 3072, P-256 or Ed25519."""
        match algorithm:
            case "rsa":
                return cls(rsa.generate_private_key(public_exponent=65537, key_size=3072))
            case "ec":
                return cls(ec.generate_private_key(ec.SECP256R1()))
            case "ed25519":
                return cls(ed25519.Ed25519PrivateKey.generate())

    @property
    def pubkey_pem(self) -> str:
        """The public half, as an auth request carries it."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat
        return self._private.public_key().public_bytes(encoding, form.SubjectPublicKeyInfo).decode()

    def sign(self, body: bytes) -> str:
        """Sign a request's body as it goes over the wire; gives the header's base64 text."""
        match self._private:
            case rsa.RSAPrivateKey():
                raw = self._private.sign(body, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePrivateKey():
                raw = self._private.sign(body, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PrivateKey():
                raw = self._private.sign(body)
        return base64.b64encode(raw).decode()
