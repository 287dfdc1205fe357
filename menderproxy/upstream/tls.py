"""Outgoing TLS that fails closed: whom we trust, and proof that it is the host we asked for."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address

from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import hazmat
from service_identity.cryptography import extract_patterns
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from menderproxy.transport.secure import PARTIAL_WRITE

_UNKNOWN_AUTHORITY = "it comes from an authority that is not trusted"
_DISTRUST = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
}
"""What OpenSSL's usual verification errors (X509_V_ERR_…) mean for an operator."""


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

    log = Logger()

    def __init__(self, host: str, trust: TrustRoots, *, verify: bool = True):
        self._host = host
        self._service_id: hazmat.DNS_ID | hazmat.IPAddress_ID
        self._server_name: bytes | None = None
        if is_ip_address(host):
            self._service_id = hazmat.IPAddress_ID(host)
        else:
            self._service_id = hazmat.DNS_ID(host)
            self._server_name = host.encode("ascii")
        self._verify = verify
        self._options = CertificateOptions(trustRoot=trust)
        self._options.getContext().clear_mode(PARTIAL_WRITE)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make the connection object for one TLS connection (called by Twisted)."""
        connection: SSL.Connection = self._options.clientConnectionForTLS(tlsProtocol)
        self._prepare(connection)
        return connection

    def on_socket(self, sock: socket.socket) -> SSL.Connection:
        """Make the client's side of TLS on a socket that is connected."""
        connection = SSL.Connection(self._options.getContext(), sock)
        connection.set_connect_state()
        self._prepare(connection)
        return connection

    def _prepare(self, connection: SSL.Connection) -> None:
        if self._server_name is not None:
            connection.set_tlsext_host_name(self._server_name)
        if self._verify:
            mode = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
            connection.set_verify(mode, self._check)
        else:
            connection.set_verify(SSL.VERIFY_NONE, _accept_any)

    def _check(
        self, connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
    ) -> bool:
        why = None
        if not ok:
            why = _DISTRUST.get(error, f"OpenSSL's verification error {error}")
        elif depth == 0 and not self._names_the_host(certificate):
            why = "it is not for this host: no subjectAltName says so"
        if why is None:
            return True
        # OpenSSL's own error says no more than "certificate verify failed".
        self.log.warn("{host}: certificate refused: {why}", host=self._host, why=why)
        return False

    def _names_the_host(self, certificate: crypto.X509) -> bool:
        try:
            patterns = extract_patterns(certificate.to_cryptography())
            hazmat.verify_service_identity(patterns, [self._service_id], [])
        except Exception:
            # Whatever is wrong with it, it proves nothing.
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
