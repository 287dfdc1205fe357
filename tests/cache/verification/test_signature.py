"""Tests of the keys and signatures of artifacts."""

from __future__ import annotations

import base64
import os

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.verification.signature import is_signed_by, load_verify_keys

from .signing import der_ecdsa, raw_ecdsa, rsa_pkcs1

RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()


class KeyTests(SynchronousTestCase):
    """Files of public keys."""

    def write(self, content: bytes) -> str:
        """Write a file; return its path."""
        path = str(self.mktemp())
        with open(path, "wb") as file:
            file.write(content)
        return path

    def public(self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
        """Write the public part of a key; return the path."""
        public_key = key.public_key()
        pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return self.write(pem)

    def assert_refused(self, path: str, reason: str) -> None:
        """Fail unless a file is refused for a reason."""
        error = self.assertRaises(ValueError, load_verify_keys, [self.public(RSA), path])
        self.assertEqual(str(error), f"{path}: {reason}")

    def test_keys(self) -> None:
        """RSA keys and those on the curve P-256 are taken, in order."""
        keys = load_verify_keys([self.public(RSA), self.public(P256)])
        self.assertEqual(keys, (RSA.public_key(), P256.public_key()))
        self.assertEqual(load_verify_keys([]), ())

    def test_other_kinds(self) -> None:
        """Keys that ``mender-artifact`` could not have signed with are refused."""
        reason = "neither an RSA key nor an ECDSA key with the curve P-256"
        self.assert_refused(self.public(P384), reason)
        pem = ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.assert_refused(self.write(pem), reason)

    def test_not_a_key(self) -> None:
        """Something else, a private key too, is refused without a word about its content."""
        private = P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for content in (b"", b"garbage", private):
            self.assert_refused(self.write(content), "not a public key in PEM format")

    def test_unreadable(self) -> None:
        """A file that is not there is named."""
        self.assert_refused(os.path.join("no", "such"), "No such file or directory")


class SignatureTests(SynchronousTestCase):
    """Signatures in each form there is."""

    def test_right(self) -> None:
        """The owner's signature is accepted, with white space around it too."""
        for key, signature in (
            (RSA, rsa_pkcs1(RSA, b"message")),
            (P256, raw_ecdsa(P256, b"message")),
            (P256, der_ecdsa(P256, b"message")),
        ):
            self.assertTrue(is_signed_by(key.public_key(), b"message", signature))
            self.assertTrue(is_signed_by(key.public_key(), b"message", signature + b"\n"))
            self.assertFalse(is_signed_by(key.public_key(), b"massage", signature))

    def test_wrong(self) -> None:
        """Anything else is not a signature, and raises nothing."""
        right = base64.b64decode(raw_ecdsa(P256, b"message"))
        for key in (RSA.public_key(), P256.public_key()):
            for raw in (b"", b"x", bytes(64), b"\xff" * 64, right[:-1], bytes(256), b"\x30" * 70):
                self.assertFalse(is_signed_by(key, b"message", base64.b64encode(raw)))
            starred = b"*" + raw_ecdsa(P256, b"message")
            for signature in (b"***", b"a", b"\xff", right, starred):
                self.assertFalse(is_signed_by(key, b"message", signature))
