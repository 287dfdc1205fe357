"""Outgoing TLS that fails closed: whom we trust, and proof that it is the host we asked for."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import hazmat
from service_identity.cryptography import extract_patterns
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer


@implementer(IOpenSSLTrustRoot)
class TrustRoots:
    """
    The system's certificate authorities, or some of our own, or both.

    :param certificates: authorities trusted besides, or instead of, the system's.
    :param system: whether the operating system's authorities are trusted.
    """

    def __init__(self, certificates: Sequence[x509.Certificate] = (), *, system: bool = True):
        self.certificates = tuple(certificates)
        self.system = system

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        # The one method of Twisted's private IOpenSSLTrustRoot; tests/upstream/test_tls.py
        # fails when Twisted stops calling it.
        if self.system:
            context.set_default_verify_paths()
        store = context.get_cert_store()
        assert store is not None, "OpenSSL gives every context a store"
        for certificate in self.certificates:
            store.add_cert(crypto.X509.from_cryptography(certificate))


@implementer(IOpenSSLClientConnectionCreator)
class VerifiedHost:
    """
    Makes TLS client connections that accept one host's certificate and no other.

    Twisted's own creator (``optionsForClientTLS``) lets a certificate without, or with a
    malformed, subjectAltName pass: it logs the mismatch and goes on. With a private authority
    any device's certificate could then pose as the Mender Server, so we check the name here,
    inside OpenSSL's verify callback, and treat whatever goes wrong as a refusal.

    :param host: DNS name (A-label) or IP address literal, without brackets.
    :param trust: the authorities that may vouch for it.
    :param verify: ``False`` accepts any certificate (``InsecureSkipVerify``).
    """

    def __init__(self, host: str, trust: TrustRoots, *, verify: bool = True):
        self._service_id: hazmat.DNS_ID | hazmat.IPAddress_ID
        self._server_name: bytes | None = None
        if is_ip_address(host):
            self._service_id = hazmat.IPAddress_ID(host)
        else:
            self._service_id = hazmat.DNS_ID(host)
            self._server_name = host.encode("ascii")
        self._verify = verify
        self._options = CertificateOptions(trustRoot=trust)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make the connection object for one TLS connection (called by Twisted)."""
        connection: SSL.Connection = self._options.clientConnectionForTLS(tlsProtocol)
        if self._server_name is not None:
            connection.set_tlsext_host_name(self._server_name)
        if self._verify:
            mode = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
            connection.set_verify(mode, self._check)
        else:
            connection.set_verify(SSL.VERIFY_NONE, _accept_any)
        return connection

    def _check(
        self, connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
    ) -> bool:
        if not ok:
            return False
        if depth == 0:
            try:
                patterns = extract_patterns(certificate.to_cryptography())
                hazmat.verify_service_identity(patterns, [self._service_id], [])
            except Exception:
                return False
        return True


def _accept_any(
    connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
) -> bool:
    return True


def is_ip_address(host: str) -> bool:
    """Whether *host* is an IPv4 or IPv6 literal (without brackets)."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def load_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """
    All certificates of a PEM bundle.

    :raises ValueError: when there is none, or one is malformed.
    """
    return tuple(x509.load_pem_x509_certificates(pem))
