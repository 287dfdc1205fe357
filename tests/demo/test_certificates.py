"""Tests of demo.certificates."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.demo.certificates import ThrowAwayAuthority


class IssuingTests(SynchronousTestCase):
    """What the authority signs."""

    def setUp(self) -> None:
        """Make an authority and one certificate of it."""
        self.authority = ThrowAwayAuthority.create()
        self.credentials = self.authority.issue("localhost", "127.0.0.1", "::1")
        self.certificate = x509.load_pem_x509_certificate(self.credentials.certificate_pem)

    def test_issuer(self) -> None:
        """A certificate is signed by its authority, and by no other of the same name."""
        self.certificate.verify_directly_issued_by(self.authority.certificate)
        other = ThrowAwayAuthority.create()
        with self.assertRaises(InvalidSignature):
            self.certificate.verify_directly_issued_by(other.certificate)

    def test_names(self) -> None:
        """DNS names and addresses stand in the subjectAltName, each as what it is."""
        names = self.certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["localhost"])
        self.assertEqual(
            names.get_values_for_type(x509.IPAddress), [ip_address("127.0.0.1"), ip_address("::1")]
        )

    def test_nameless(self) -> None:
        """A certificate for nobody is refused."""
        with self.assertRaises(ValueError):
            self.authority.issue()

    def test_key_matches(self) -> None:
        """The key belongs to the certificate."""
        key = serialization.load_pem_private_key(self.credentials.key_pem, None)
        self.assertEqual(key.public_key(), self.certificate.public_key())

    def test_secret(self) -> None:
        """No private key shows in a representation."""
        self.assertNotIn("PRIVATE", repr(self.credentials))
        self.assertNotIn("PrivateKey", repr(self.authority))


class WritingTests(SynchronousTestCase):
    """Credentials on disk."""

    def test_files(self) -> None:
        """Both files hold what they should, and the key is its owner's alone."""
        credentials = ThrowAwayAuthority.create().issue("localhost")
        directory = Path(self.mktemp())
        directory.mkdir()
        certificate, key = credentials.write(directory)
        self.assertEqual(certificate.read_bytes(), credentials.certificate_pem)
        self.assertEqual(key.read_bytes(), credentials.key_pem)
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)

    def test_again(self) -> None:
        """Newer credentials replace older ones, and a key that others could read stays no such."""
        authority = ThrowAwayAuthority.create()
        directory = Path(self.mktemp())
        directory.mkdir()
        _, key = authority.issue("localhost").write(directory)
        key.chmod(0o644)
        renewed = authority.issue("localhost")
        renewed.write(directory)
        self.assertEqual(key.read_bytes(), renewed.key_pem)
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
