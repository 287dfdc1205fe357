"""Which files are the server's certificate and key, and which are refused."""

from __future__ import annotations

from base64 import encodebytes
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.identity import CertificateError, read_identity
from tests.certificates import Identity, dns, key_pem, new_key, root
from tests.odd_certificates import KEYS

PEM = b"-----BEGIN CERTIFICATE-----\n%b-----END CERTIFICATE-----\n"


def as_pem(der: bytes) -> bytes:
    """Write what may be no certificate any more as if it were one."""
    return PEM % encodebytes(der)


class FilesTestCase(SynchronousTestCase):
    """Has the certificate and key of a server in files."""

    def setUp(self) -> None:
        """Write them."""
        self.authority = root()
        self.server = self.authority.issue("gateway", dns("gateway.example"))
        self.certificate, self.key = self.write(self.server)

    def write(self, identity: Identity) -> tuple[str, str]:
        """Write a certificate with its issuers, and its key; give the paths."""
        return self.file(identity.chain_pem), self.file(identity.key_pem)

    def file(self, content: bytes) -> str:
        """Write a file; give its path."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)


class ReadTests(FilesTestCase):
    """Files that can be used."""

    def test_chain(self) -> None:
        """The server's own certificate comes first, its intermediates follow."""
        between = self.authority.issue("between", authority=True)
        server = between.issue("gateway")
        identity = read_identity(*self.write(server))
        self.assertEqual(identity.chain, (server.certificate, between.certificate))
        self.assertEqual(identity.key.public_key(), server.key.public_key())

    def test_secret(self) -> None:
        """The key doesn't show in what an identity prints as."""
        self.assertNotIn("key=", repr(read_identity(self.certificate, self.key)))

    def test_slow_keys(self) -> None:
        """Kinds of keys that make each handshake dearer than it need be are told."""
        for key, told in (
            ("ec_p256", ""),
            ("ed25519", ""),
            ("ec_p384", "a key of the curve secp384r1"),
            ("ec_p521", "a key of the curve secp521r1"),
            ("rsa_2048", "an RSA key"),
        ):
            server = self.authority.issue("gateway", key=KEYS[key]())
            self.assertEqual(read_identity(*self.write(server)).slow_key, told)


class RefusedTests(FilesTestCase):
    """Files that can't be used are told in one line, by the setting that names them."""

    def refusal(self, certificate: str, key: str) -> str:
        """Give the line that says why two files are no use."""
        line = str(self.assertRaises(CertificateError, read_identity, certificate, key))
        self.assertNotIn("\n", line)
        return line

    def test_missing(self) -> None:
        """A file that is not there is named."""
        why = "/nowhere.pem: No such file or directory"
        self.assertEqual(self.refusal("/nowhere.pem", self.key), f"HTTPS.ServerCertificate: {why}")
        self.assertEqual(self.refusal(self.certificate, "/nowhere.pem"), f"HTTPS.ServerKey: {why}")

    def test_directory(self) -> None:
        """A directory is no file."""
        line = self.refusal("/", self.key)
        self.assertEqual(line, "HTTPS.ServerCertificate: /: Is a directory")

    def test_garbage(self) -> None:
        """Empty files, other files, and files with the wrong thing are not taken."""
        damaged = self.server.chain_pem.replace(b"\nM", b"\nA", 1)
        der = self.server.certificate.public_bytes(Encoding.DER)
        for content in (b"", b"hello", self.server.key_pem, damaged, der):
            path = self.file(content)
            self.assertEqual(
                self.refusal(path, self.key),
                f"HTTPS.ServerCertificate: {path}: not a PEM certificate",
            )
        damaged = self.server.key_pem.replace(b"\nM", b"\nA", 1)
        for content in (b"", b"hello", self.server.chain_pem, damaged):
            path = self.file(content)
            self.assertEqual(
                self.refusal(self.certificate, path),
                f"HTTPS.ServerKey: {path}: not a PEM private key",
            )

    def test_without_end(self) -> None:
        """A file that is half written would lack the last of its certificates."""
        between = self.authority.issue("between", authority=True)
        content = between.issue("gateway").chain_pem
        path = self.file(content[:-30])
        self.assertEqual(
            self.refusal(path, self.key),
            f"HTTPS.ServerCertificate: {path}: a certificate in it has no end",
        )

    def test_damaged_inside(self) -> None:
        """Whatever byte of a certificate is wrong, it is told in one line."""
        der = self.server.certificate.public_bytes(Encoding.DER)
        for position in range(len(der)):
            damaged = der[:position] + bytes([der[position] ^ 0x55]) + der[position + 1 :]
            path = self.file(as_pem(damaged))
            try:
                read_identity(path, self.key)
            except CertificateError as error:
                self.assertNotIn("\n", str(error))

    def test_encrypted_key(self) -> None:
        """Nobody is there to type a password."""
        path = self.file(key_pem(self.server.key, b"password"))
        self.assertEqual(
            self.refusal(self.certificate, path), f"HTTPS.ServerKey: {path}: encrypted"
        )

    def test_other_key(self) -> None:
        """A key must be the certificate's."""
        path = self.file(key_pem(new_key()))
        self.assertEqual(
            self.refusal(self.certificate, path),
            f"HTTPS.ServerKey: {path}: not the key of the certificate in {self.certificate}",
        )

    def test_wrong_order(self) -> None:
        """The server's certificate has to come first: the key tells."""
        between = self.authority.issue("between", authority=True)
        server = between.issue("gateway")
        reversed_chain = Identity(between.certificate, server.key, (server.certificate,))
        certificate, key = self.write(reversed_chain)
        self.assertIn("not the key of the certificate", self.refusal(certificate, key))

    def test_kinds_of_keys(self) -> None:
        """Keys that can't sign a handshake are not taken."""
        exchange = x25519.X25519PrivateKey.generate()
        old = dsa.generate_private_key(2048)
        for public, key in (
            (exchange.public_key(), key_pem(exchange)),
            (old.public_key(), key_pem(old)),
        ):
            path = self.file(key)
            self.assertEqual(
                self.refusal(self.file(self.certificate_for(public)), path),
                f"HTTPS.ServerKey: {path}: not an RSA, EC or Edwards curve key",
            )

    def certificate_for(self, key: x25519.X25519PublicKey | dsa.DSAPublicKey) -> bytes:
        """Write a certificate with a public key of an unusual kind."""
        template = self.server.certificate
        certificate = (
            x509.CertificateBuilder()
            .subject_name(template.subject)
            .issuer_name(template.issuer)
            .public_key(key)
            .serial_number(1)
            .not_valid_before(template.not_valid_before_utc)
            .not_valid_after(template.not_valid_after_utc)
            .sign(self.authority.key, hashes.SHA256())
        )
        return certificate.public_bytes(Encoding.PEM)
