"""What TLS a device gets: versions, ciphers, certificates; and which files are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from menderproxy.listen.tls import MODERN, CertificateError, ServerTLS, server_options
from tests.certificates import Identity, dns, key_pem, new_key, root
from tests.handshake import Handshake, shake_hands

VERSIONS = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}


@implementer(IOpenSSLClientConnectionCreator)
class Client:
    """
    A device that takes any certificate, speaks one version, and knows every cipher.

    :ivar session: of an earlier connection, to be resumed.
    :ivar certificates_checked: how many it looked at.
    """

    def __init__(self, version: str, ciphers: str = "ALL"):
        self.session: SSL.Session | None = None
        self.certificates_checked = 0
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._context.set_min_proto_version(VERSIONS[version])
        self._context.set_max_proto_version(VERSIONS[version])
        self._context.set_cipher_list(f"{ciphers}:@SECLEVEL=0".encode())

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make a connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_verify(SSL.VERIFY_PEER, self._check)
        if self.session is not None:
            connection.set_session(self.session)
        return connection

    def _check(self, *args: object) -> bool:
        self.certificates_checked += 1
        return True


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

    def shake_hands(self, client: Client, minimum: str = "1.2") -> Handshake:
        """Connect a device."""
        options = server_options(self.certificate, self.key, minimum)
        return shake_hands(client, ServerTLS(options))


class VersionTests(FilesTestCase):
    """``MinimumTLSVersion`` is kept to, both ways."""

    def test_versions(self) -> None:
        """The minimum and all versions above it are spoken, those below it are not."""
        for minimum in VERSIONS:
            for version in VERSIONS:
                ends = self.shake_hands(Client(version), minimum)
                self.assertEqual(ends.succeeded, version >= minimum, (minimum, version))
                if ends.succeeded:
                    name = ends.established.get_protocol_version_name()
                    self.assertEqual(name, f"TLSv{version}".removesuffix(".0"))

    def test_default(self) -> None:
        """Unless told otherwise the minimum is 1.2."""
        tls = ServerTLS(server_options(self.certificate, self.key))
        self.assertTrue(shake_hands(Client("1.2"), tls).succeeded)
        self.assertFalse(shake_hands(Client("1.1"), tls).succeeded)


class CipherTests(FilesTestCase):
    """Old ciphers are for old versions only."""

    def setUp(self) -> None:
        """Use an RSA key, which every kind of key exchange is possible with."""
        super().setUp()
        key = rsa.generate_private_key(65537, 2048)
        self.certificate, self.key = self.write(self.authority.issue("gateway", key=key))

    def test_modern(self) -> None:
        """The ciphers with forward secrecy and authenticated encryption are spoken."""
        for cipher in MODERN:
            if cipher.startswith("ECDHE-RSA"):
                ends = self.shake_hands(Client("1.2", cipher))
                self.assertEqual(ends.established.get_cipher_name(), cipher)

    def test_without_forward_secrecy(self) -> None:
        """Who records the traffic and steals the key later must not read it."""
        self.assertFalse(self.shake_hands(Client("1.2", "kRSA")).succeeded)

    def test_cbc(self) -> None:
        """Encryption without authentication, which padding attacks undo, is not spoken."""
        cbc = "ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA384"
        self.assertFalse(self.shake_hands(Client("1.2", cbc)).succeeded)

    def test_legacy(self) -> None:
        """TLS 1.0 has nothing better, so where it is asked for it gets that."""
        ends = self.shake_hands(Client("1.0"), "1.0")
        self.assertEqual(ends.established.get_cipher_name(), "ECDHE-RSA-AES256-SHA")

    def test_never(self) -> None:
        """Even where old versions are asked for, ciphers that are broken are not spoken."""
        for cipher in ("kRSA", "RC4", "3DES", "aNULL", "eNULL", "EXPORT"):
            try:
                client = Client("1.0", cipher)
            except SSL.Error:
                continue  # This OpenSSL has forgotten it.
            self.assertFalse(self.shake_hands(client, "1.0").succeeded, cipher)


class CertificateTests(FilesTestCase):
    """What a device is shown."""

    def shown(self, client: Client) -> Sequence[str]:
        """Give the subjects of the chain that a device is shown."""
        chain = self.shake_hands(client).established.get_peer_cert_chain(as_cryptography=True)
        return [certificate.subject.rfc4514_string() for certificate in chain or ()]

    def test_leaf(self) -> None:
        """The first certificate of the file is the server's."""
        self.assertEqual(self.shown(Client("1.3")), ["CN=gateway"])

    def test_intermediates(self) -> None:
        """The certificates that follow it are sent as well: devices know the root only."""
        upper = self.authority.issue("upper", authority=True)
        lower = upper.issue("lower", authority=True)
        self.certificate, self.key = self.write(lower.issue("gateway"))
        for version in ("1.2", "1.3"):
            self.assertEqual(self.shown(Client(version)), ["CN=gateway", "CN=lower", "CN=upper"])

    def test_kinds_of_keys(self) -> None:
        """RSA, elliptic curve and Edwards curve keys all do."""
        for key in (
            rsa.generate_private_key(65537, 2048),
            ec.generate_private_key(ec.SECP384R1()),
            ed25519.Ed25519PrivateKey.generate(),
        ):
            self.certificate, self.key = self.write(self.authority.issue("gateway", key=key))
            for version in ("1.2", "1.3"):
                self.assertTrue(self.shake_hands(Client(version)).succeeded, (key, version))

    def test_replaced(self) -> None:
        """New connections get the options that were put in the place of the old ones."""
        tls = ServerTLS(server_options(self.certificate, self.key))
        self.assertTrue(shake_hands(Client("1.3"), tls).succeeded)
        tls.options = server_options(*self.write(self.authority.issue("renewed")))
        certificate = shake_hands(Client("1.3"), tls).established.get_peer_certificate(
            as_cryptography=True
        )
        assert certificate is not None
        self.assertEqual(certificate.subject.rfc4514_string(), "CN=renewed")

    def test_no_session_survives(self) -> None:
        """No session is resumed: that would skip all checks of the peer's certificate."""
        for version in ("1.2", "1.3"):
            tls = ServerTLS(server_options(self.certificate, self.key))
            client = Client(version)
            client.session = shake_hands(client, tls).established.get_session()
            client.certificates_checked = 0
            self.assertTrue(shake_hands(client, tls).succeeded)
            self.assertGreater(client.certificates_checked, 0)


class RefusedTests(FilesTestCase):
    """Files that can't be used are told in one line, by the setting that names them."""

    def refusal(self, certificate: str, key: str) -> str:
        """Give the line that says why two files are no use."""
        line = str(self.assertRaises(CertificateError, server_options, certificate, key))
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

    def test_weak_key(self) -> None:
        """OpenSSL refuses keys that are too short, and says so."""
        key = rsa.generate_private_key(65537, 1024)
        certificate, key_path = self.write(self.authority.issue("gateway", key=key))
        self.assertIn("too small", self.refusal(certificate, key_path))

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
