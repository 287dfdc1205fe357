"""Outgoing TLS talks to the host it was meant for, or to nobody."""

from __future__ import annotations

import os
from collections.abc import Sequence

from OpenSSL import SSL
from twisted.internet.ssl import CertificateOptions
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.tls import (
    TrustRoots,
    VerifiedHost,
    is_ip_address,
    load_certificates,
)
from tests.certificates import DAY, Identity, dns, ip, pem_of, root, self_signed
from tests.handshake import Handshake, shake_hands

HOST = "mender.example.com"


class VerifiedHostTestCase(SynchronousTestCase):
    """Has an authority that is trusted, and nothing else is."""

    def setUp(self) -> None:
        """Make the authority."""
        self.authority = root()
        self.trust = TrustRoots([self.authority.certificate], system=False)

    def shake_hands(self, host: str, server: Identity, *, verify: bool = True) -> Handshake:
        """Connect to a server that shows some certificate."""
        return shake_hands(VerifiedHost(host, self.trust, verify=verify), server.server_options())


class AcceptedTests(VerifiedHostTestCase):
    """What proves to be the host."""

    def assert_accepted(self, host: str, server: Identity) -> None:
        """Assert that a server is talked to."""
        self.assertTrue(self.shake_hands(host, server).succeeded)

    def test_dns(self) -> None:
        """A certificate for the name is accepted, whatever its common name."""
        server = self.authority.issue("whatever", dns("other.example"), dns(HOST))
        self.assert_accepted(HOST, server)

    def test_case(self) -> None:
        """Names are compared without regard to case."""
        self.assert_accepted(HOST, self.authority.issue("x", dns("Mender.EXAMPLE.com")))

    def test_wildcard(self) -> None:
        """A wildcard stands for one label."""
        self.assert_accepted(HOST, self.authority.issue("x", dns("*.example.com")))

    def test_ipv4(self) -> None:
        """A certificate for an IPv4 address is accepted."""
        self.assert_accepted("192.0.2.1", self.authority.issue("x", ip("192.0.2.1")))

    def test_ipv6(self) -> None:
        """A certificate for an IPv6 address is accepted, however the address is spelt."""
        self.assert_accepted("2001:DB8:0::1", self.authority.issue("x", ip("2001:db8::1")))

    def test_intermediate(self) -> None:
        """A chain with an authority in between is accepted."""
        between = self.authority.issue("between", authority=True)
        self.assert_accepted(HOST, between.issue("x", dns(HOST)))

    def test_trusted_itself(self) -> None:
        """A self-signed certificate that is on the list of trusted ones is accepted."""
        server = self_signed("x", dns(HOST))
        creator = VerifiedHost(HOST, TrustRoots([server.certificate], system=False))
        self.assertTrue(shake_hands(creator, server.server_options()).succeeded)


class RefusedTests(VerifiedHostTestCase):
    """What does not: nothing is sent to it."""

    def assert_refused(self, host: str, server: Identity, why: str) -> None:
        """Assert that a server gets nothing of us, and that the log says why."""
        with capturedLogs() as events:
            ends = self.shake_hands(host, server)
        self.assertEqual(ends.server.data, b"")
        self.assertIsInstance(ends.client.error, SSL.Error)
        lines = [formatEvent(event) for event in events]
        self.assertIn(f"{host}: certificate refused: {why}", lines)

    def assert_not_for_host(self, host: str, server: Identity) -> None:
        """Assert that a certificate is taken for another host's."""
        self.assert_refused(host, server, "it is not for this host: no subjectAltName says so")

    def test_common_name(self) -> None:
        """A certificate without subjectAltName is refused, though its common name is right."""
        self.assert_not_for_host(HOST, self.authority.issue(HOST))

    def test_malformed(self) -> None:
        """A certificate with a malformed subjectAltName is refused."""
        for malformed in ("*.*", "*", "*.com*", ""):
            self.assert_not_for_host(HOST, self.authority.issue(HOST, dns(malformed)))

    def test_malformed_beside_a_good_one(self) -> None:
        """A malformed entry spoils the certificate: its authority can't be relied upon."""
        self.assert_not_for_host(HOST, self.authority.issue(HOST, dns("*.*"), dns(HOST)))

    def test_other_host(self) -> None:
        """A certificate for another host is refused."""
        self.assert_not_for_host(HOST, self.authority.issue(HOST, dns("other.example.com")))

    def test_wildcard_too_high(self) -> None:
        """A wildcard does not stand for two labels."""
        self.assert_not_for_host("a.b.example.com", self.authority.issue("x", dns("*.example.com")))

    def test_other_address(self) -> None:
        """A certificate for another address is refused."""
        self.assert_not_for_host("192.0.2.1", self.authority.issue("x", ip("192.0.2.2")))

    def test_address_as_name(self) -> None:
        """An address is no DNS name: written as one it proves nothing."""
        self.assert_not_for_host("192.0.2.1", self.authority.issue("x", dns("192.0.2.1")))

    def test_expired(self) -> None:
        """A certificate of yesterday is refused."""
        server = self.authority.issue("x", dns(HOST), until=-DAY)
        self.assert_refused(HOST, server, "it has expired")

    def test_foreign_authority(self) -> None:
        """A certificate of an authority that we don't know is refused."""
        server = root("foreign").issue("x", dns(HOST))
        why = "it comes from an authority that is not trusted"
        self.assert_refused(HOST, server, why)

    def test_self_signed(self) -> None:
        """A certificate that nobody vouches for is refused."""
        self.assert_refused(HOST, self_signed("x", dns(HOST)), "it is self-signed")

    def test_not_an_authority(self) -> None:
        """A device's certificate vouches for nobody."""
        device = self.authority.issue("device")
        server = device.issue("x", dns(HOST))
        why = "OpenSSL's verification error 79"
        self.assert_refused(HOST, server, why)


class InsecureTests(VerifiedHostTestCase):
    """``InsecureSkipVerify`` means what it says."""

    def test_anything_goes(self) -> None:
        """Without verification every certificate is accepted."""
        for server in (
            self_signed("x"),
            root("foreign").issue("x", dns("other.example"), until=-DAY),
        ):
            self.assertTrue(self.shake_hands(HOST, server, verify=False).succeeded)


class ServerNameTests(VerifiedHostTestCase):
    """Servers with several names learn which one is meant."""

    def sent_name(self, host: str) -> bytes | None:
        """Give the server name that a connection to a host comes with."""
        server = self.authority.issue("x", dns(HOST), ip("192.0.2.1"), ip("2001:db8::1"))
        tls = self.shake_hands(host, server).server.tls
        assert tls is not None
        return tls.get_servername()

    def test_name(self) -> None:
        """The host's name is sent."""
        self.assertEqual(self.sent_name(HOST), HOST.encode())

    def test_address(self) -> None:
        """An address is not: the protocol has names only."""
        for address in ("192.0.2.1", "2001:db8::1"):
            self.assertIsNone(self.sent_name(address))


class TrustRootsTests(VerifiedHostTestCase):
    """Whose word counts."""

    def accepts(self, trust: TrustRoots) -> bool:
        """Tell whether a certificate of our authority is accepted."""
        server = self.authority.issue("x", dns(HOST))
        return shake_hands(VerifiedHost(HOST, trust), server.server_options()).succeeded

    def test_nobody(self) -> None:
        """Without authorities nothing is accepted."""
        self.assertFalse(self.accepts(TrustRoots(system=False)))

    def test_several(self) -> None:
        """Each of several authorities is trusted."""
        several = [root("other").certificate, self.authority.certificate]
        self.assertTrue(self.accepts(TrustRoots(several, system=False)))

    def test_system(self) -> None:
        """The system's authorities are trusted, besides ours, unless we say otherwise."""
        bundle = self.mktemp()
        with open(bundle, "wb") as file:
            file.write(pem_of(self.authority.certificate))
        self.addCleanup(os.environ.pop, "SSL_CERT_FILE", None)
        os.environ["SSL_CERT_FILE"] = bundle
        self.assertTrue(self.accepts(TrustRoots()))
        self.assertTrue(self.accepts(TrustRoots([root("other").certificate])))
        self.assertFalse(self.accepts(TrustRoots(system=False)))

    def test_twisted_asks(self) -> None:
        """Twisted fills a context by the one method of its private interface."""
        asked: list[SSL.Context] = []

        class Asked(TrustRoots):
            def _addCACertsToContext(self, context: SSL.Context) -> None:
                asked.append(context)

        context = CertificateOptions(trustRoot=Asked()).getContext()
        self.assertEqual(asked, [context])


class LoadCertificatesTests(SynchronousTestCase):
    """A bundle is read to its end."""

    def names(self, pem: bytes) -> Sequence[str]:
        """Give the subjects of a bundle."""
        return [certificate.subject.rfc4514_string() for certificate in load_certificates(pem)]

    def test_all(self) -> None:
        """Every certificate counts, not only the first; what is between them does not."""
        first, second = root("first"), root("second")
        bundle = b"# ours\n" + pem_of(first.certificate) + b"\nmore\n" + pem_of(second.certificate)
        self.assertEqual(self.names(bundle), ["CN=first", "CN=second"])

    def test_none(self) -> None:
        """A file without a certificate is an error."""
        for pem in (b"", b"no certificate\n"):
            self.assertRaises(ValueError, load_certificates, pem)

    def test_malformed(self) -> None:
        """A malformed certificate is an error, wherever it is in the bundle."""
        good = pem_of(root().certificate)
        bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        self.assertRaises(ValueError, load_certificates, good + bad)


class AddressTests(SynchronousTestCase):
    """Addresses and names are told apart."""

    def test_addresses(self) -> None:
        """Literals of both families are addresses."""
        for host in ("192.0.2.1", "::1", "2001:db8::1"):
            self.assertTrue(is_ip_address(host))

    def test_names(self) -> None:
        """Names are not, nor is a literal in brackets."""
        for host in ("mender.example.com", "localhost", "[::1]", "1.2.3", ""):
            self.assertFalse(is_ip_address(host))
