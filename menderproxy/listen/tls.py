"""The server's side of TLS: its certificate, versions and ciphers, and whom it lets in."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import attrs
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import (
    IAcceptableCiphers,
    ICipher,
    IOpenSSLServerConnectionCreator,
)
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from menderproxy.listen.admission import Admission
from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.identity import ClientAuthorities, ServerIdentity
from menderproxy.listen.peer import ip_address
from menderproxy.listen.refusal import Refusals
from menderproxy.listen.verification import Verification
from menderproxy.transport.secure import PARTIAL_WRITE

if TYPE_CHECKING:
    from menderproxy.listen.transport import SecureServer

VERSIONS = {
    "1.0": TLSVersion.TLSv1_0,
    "1.1": TLSVersion.TLSv1_1,
    "1.2": TLSVersion.TLSv1_2,
    "1.3": TLSVersion.TLSv1_3,
}

TLS_1_3 = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
)
"""The ciphers of TLS 1.3; it has two more, for devices too small for a whole tag of 16 bytes."""

MODERN = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""
Those of TLS 1.2: forward secrecy and authenticated encryption, no CBC, no RSA key exchange.

Of these, as of TLS 1.3's, AES with 128 bits comes first: nobody can break it either, each byte
costs a fifth less, and a handshake a tenth, for most processors have instructions for SHA-256 and
not for SHA-384.
"""

LEGACY = (
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    # OpenSSL refuses SHA-1 signatures, and with them TLS 1.0 and 1.1, above this level.
    "@SECLEVEL=0",
)
"""What TLS 1.0 and 1.1 need besides; used only when the configuration asks for them."""

NO_AUTO_CHAIN = 0x8
"""
OpenSSL's ``SSL_MODE_NO_AUTO_CHAIN``, for which pyOpenSSL has no name.

For a certificate without issuers in its file OpenSSL would look for some among the authorities
of the devices, and verify the whole chain anew for each connection: a seventh of a handshake with
mutual TLS.
"""

SESSION_LIFETIME = 3600
"""Seconds for which a device may resume its session: most ask for updates every half an hour."""


@implementer(ICipher)
@attrs.frozen
class Cipher:
    """One cipher, or one of OpenSSL's commands about them."""

    fullName: str


@implementer(IAcceptableCiphers)
@attrs.frozen
class Ciphers:
    """Exactly these ciphers, in this order."""

    names: tuple[str, ...]

    def selectCiphers(self, availableCiphers: Any) -> Any:
        """Called by Twisted with what OpenSSL has."""
        available = {cipher.fullName for cipher in availableCiphers}
        return tuple(
            Cipher(name) for name in self.names if name in available or name.startswith("@")
        )


def server_options(
    identity: ServerIdentity,
    minimum_version: str = "1.2",
    authorities: ClientAuthorities | None = None,
) -> CertificateOptions:
    """
    Make what each connection is made from.

    A device may resume its session by a ticket, which saves both sides most of a handshake. The key
    of the tickets is in these options only, so that it changes with each start and each time that
    a file has changed; until then, who steals it from memory can read what was sent by TLS 1.2.
    With mutual TLS there are no tickets: a resumed session would not show its certificate again.

    :param minimum_version: ``"1.0"`` to ``"1.3"``.
    :param authorities: who vouches for devices; ``None`` when they need no certificate.
    :raises ValueError: OpenSSL can't use the certificate or the key; says why.
    """
    leaf, *issuers = identity.chain
    old = minimum_version in ("1.0", "1.1")
    # Twisted counts even a None as given, and wants one of the two at most.
    bounds: Any = {
        "insecurelyLowerMinimumTo" if old else "raiseMinimumTo": VERSIONS[minimum_version]
    }
    try:
        options = CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(identity.key),
            certificate=crypto.X509.from_cryptography(leaf),
            extraCertChain=[crypto.X509.from_cryptography(issuer) for issuer in issuers],
            acceptableCiphers=Ciphers(MODERN + LEGACY if old else MODERN),
            trustRoot=authorities,
            enableSessionTickets=authorities is None,
            **bounds,
        )
        # What OpenSSL dislikes it says here, and not to the first device.
        context = options.getContext()
        context.clear_mode(PARTIAL_WRITE)
        context.set_mode(NO_AUTO_CHAIN)
        context.set_tls13_ciphersuites(":".join(TLS_1_3).encode("ascii"))
        context.set_timeout(SESSION_LIFETIME)
        if authorities is not None:
            # One for all: for one of its own each connection would need machine code of its own.
            context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verify)
    except SSL.Error as error:
        raise ValueError(", ".join(entry[-1] for entry in error.args[0])) from None
    return options


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """
    Makes the TLS side of each device's connection.

    :ivar options: may be replaced while connections are open: new ones use the new.
    :ivar authorities: who vouches for devices, to be replaced together with the options.

    :param admission: who decides on certificates; ``None`` when devices need none.
    :param refusals: the record of who did not get in.
    """

    def __init__(
        self,
        options: CertificateOptions,
        authorities: ClientAuthorities | None = None,
        admission: Admission | None = None,
        refusals: Refusals | None = None,
    ):
        self.options = options
        self.authorities = authorities
        self._admission = admission
        self._refusals = Refusals() if refusals is None else refusals

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make the connection object for one TLS connection (called by Twisted)."""
        connection: SSL.Connection = self.options.serverConnectionForTLS(tlsProtocol)
        protocol: Any = tlsProtocol
        protocol.verification = self._verification(tlsProtocol)
        return connection

    def on_socket(self, transport: SecureServer, sock: socket.socket) -> SSL.Connection:
        """Make the server's side of TLS on the socket of a connection that came in."""
        connection = SSL.Connection(self.options.getContext(), sock)
        connection.set_accept_state()
        transport.verification = verification = self._verification(transport)
        connection.set_app_data(_Connected(transport.server.factory, verification))
        return connection

    def _verification(self, transport: Any) -> Verification | None:
        if self._admission is None:
            return None
        trusted = frozenset() if self.authorities is None else self.authorities.encoded
        return Verification(
            self._admission, self._refusals, trusted, lambda: ip_address(transport.getPeer())
        )


class _Connected:
    """
    What OpenSSL's callbacks find with a connection, in place of Twisted's own TLS protocol.

    Twisted's ALPN callback asks its ``factory.wrappedFactory`` for the protocols that it speaks.
    """

    __slots__ = ("verification", "wrappedFactory")

    def __init__(self, factory: object, verification: Verification | None):
        self.wrappedFactory = factory
        self.verification = verification

    @property
    def factory(self) -> _Connected:
        return self


def _verify(
    connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
) -> bool:
    """Let a connection decide on its peer's certificates (called by OpenSSL)."""
    verification: Verification | None = connection.get_app_data().verification
    return verification is not None and verification.check(certificate, error, depth, bool(ok))


def client_certificate(transport: object) -> ClientCertificate | None:
    """The certificate that a device showed at the handshake which is just over."""
    verification: Verification | None = getattr(transport, "verification", None)
    return None if verification is None else verification.certificate
