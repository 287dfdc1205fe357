"""What TLS a device gets: versions, ciphers, certificates."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from menderproxy.listen.admission import Admission
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.identity import ClientAuthorities, ServerIdentity
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.tls import MODERN, TLS_1_3, ServerTLS, client_certificate, server_options
from tests.certificates import Identity, dns, root
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

    :param identity: the certificate it shows.
    """

    def __init__(self, version: str, ciphers: str = "ALL", identity: Identity | None = None):
        self.session: SSL.Session | None = None
        self.certificates_checked = 0
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._context.set_min_proto_version(VERSIONS[version])
        self._context.set_max_proto_version(VERSIONS[version])
        self._context.set_cipher_list(f"{ciphers}:@SECLEVEL=0".encode())
        if identity is not None:
            self._context.use_certificate(crypto.X509.from_cryptography(identity.certificate))
            key = crypto.PKey.from_cryptography_key(identity.key)  # type: ignore[arg-type]
            self._context.use_privatekey(key)

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


class TLSTestCase(SynchronousTestCase):
    """Has the certificate and key of a server."""

    def setUp(self) -> None:
        """Make them."""
        self.authority = root()
        self.server = self.authority.issue("gateway", dns("gateway.example"))

    def tls(self, minimum: str = "1.2") -> ServerTLS:
        """Make the server's side."""
        return ServerTLS(server_options(identity_of(self.server), minimum))

    def mutual(self) -> ServerTLS:
        """Make the server's side of mutual TLS."""
        authorities = ClientAuthorities((self.authority.certificate,))
        options = server_options(identity_of(self.server), authorities=authorities)
        nothing = Revocation(Blacklist.parse(b""), None, strict=True)
        return ServerTLS(options, authorities, Admission(nothing, grace=None, now=time.time))

    def shake_hands(self, client: Client, minimum: str = "1.2") -> Handshake:
        """Connect a device."""
        return shake_hands(client, self.tls(minimum))


def identity_of(server: Identity) -> ServerIdentity:
    """What its files would hold."""
    return ServerIdentity((server.certificate, *server.issuers), server.key)  # type: ignore[arg-type]


class VersionTests(TLSTestCase):
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
        tls = self.tls()
        self.assertTrue(shake_hands(Client("1.2"), tls).succeeded)
        self.assertFalse(shake_hands(Client("1.1"), tls).succeeded)


class CipherTests(TLSTestCase):
    """Old ciphers are for old versions only."""

    def setUp(self) -> None:
        """Use an RSA key, which every kind of key exchange is possible with."""
        super().setUp()
        key = rsa.generate_private_key(65537, 2048)
        self.server = self.authority.issue("gateway", key=key)

    def test_modern(self) -> None:
        """The ciphers with forward secrecy and authenticated encryption are spoken."""
        for cipher in MODERN:
            if cipher.startswith("ECDHE-RSA"):
                ends = self.shake_hands(Client("1.2", cipher))
                self.assertEqual(ends.established.get_cipher_name(), cipher)

    def test_first(self) -> None:
        """Of all ciphers that a device speaks the cheapest is taken, whichever it likes best."""
        for version, cipher in ("1.2", "ECDHE-RSA-AES128-GCM-SHA256"), ("1.3", TLS_1_3[0]):
            ends = self.shake_hands(Client(version))
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


class CertificateTests(TLSTestCase):
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
        self.server = lower.issue("gateway")
        for version in ("1.2", "1.3"):
            self.assertEqual(self.shown(Client(version)), ["CN=gateway", "CN=lower", "CN=upper"])

    def test_only_these(self) -> None:
        """No issuer is sent that is not in the file, though it may be known from elsewhere."""
        device = Client("1.3", identity=self.authority.issue("device"))
        chain = shake_hands(device, self.mutual()).established.get_peer_cert_chain() or []
        self.assertEqual(len(chain), 1)

    def test_kinds_of_keys(self) -> None:
        """RSA, elliptic curve and Edwards curve keys all do."""
        for key in (
            rsa.generate_private_key(65537, 2048),
            ec.generate_private_key(ec.SECP384R1()),
            ed25519.Ed25519PrivateKey.generate(),
        ):
            self.server = self.authority.issue("gateway", key=key)
            for version in ("1.2", "1.3"):
                self.assertTrue(self.shake_hands(Client(version)).succeeded, (key, version))

    def test_replaced(self) -> None:
        """New connections get the options that were put in the place of the old ones."""
        tls = self.tls()
        self.assertTrue(shake_hands(Client("1.3"), tls).succeeded)
        tls.options = server_options(identity_of(self.authority.issue("renewed")))
        certificate = shake_hands(Client("1.3"), tls).established.get_peer_certificate(
            as_cryptography=True
        )
        assert certificate is not None
        self.assertEqual(certificate.subject.rfc4514_string(), "CN=renewed")

    def test_no_session_survives(self) -> None:
        """With mutual TLS no session is resumed: that would skip all checks of the certificate."""
        device = self.authority.issue("device")
        for version in ("1.2", "1.3"):
            tls = self.mutual()
            client = Client(version, identity=device)
            self.assertFalse(resumes(client, tls), version)
            known = client_certificate(shake_hands(client, tls).server.transport)
            assert known is not None
            self.assertEqual(known.subject, "CN=device")

    def test_useless(self) -> None:
        """OpenSSL says what it dislikes before the first device comes."""
        key = rsa.generate_private_key(65537, 1024)
        weak = identity_of(self.authority.issue("gateway", key=key))
        self.assertIn("too small", str(self.assertRaises(ValueError, server_options, weak)))


class SessionTests(TLSTestCase):
    """Without client certificates a device may resume its session."""

    def test_resumed(self) -> None:
        """A device that comes again goes on with its session, by both versions of TLS."""
        for version in ("1.2", "1.3"):
            self.assertTrue(resumes(Client(version), self.tls()), version)

    def test_lifetime(self) -> None:
        """It may do so for an hour."""
        context = server_options(identity_of(self.server)).getContext()
        self.assertEqual(context.get_timeout(), 3600)

    def test_new_key(self) -> None:
        """When the certificate is replaced, so is what sessions are kept secret with."""
        for version in ("1.2", "1.3"):
            tls, client = self.tls(), Client(version)
            tls_before = shake_hands(client, tls)
            client.session = tls_before.established.get_session()
            tls.options = server_options(identity_of(self.server))
            client.certificates_checked = 0
            self.assertTrue(shake_hands(client, tls).succeeded)
            self.assertGreater(client.certificates_checked, 0, version)


def resumes(client: Client, tls: ServerTLS) -> bool:
    """Tell whether a device's second connection resumes the session of the first."""
    # OpenSSL forgets a session when its connection ends without a goodbye.
    first = shake_hands(client, tls)
    client.session = first.established.get_session()
    client.certificates_checked = 0
    assert shake_hands(client, tls).succeeded
    return client.certificates_checked == 0
