"""The server's side of TLS: its certificate, versions and ciphers, and whom it lets in."""

from __future__ import annotations

from typing import Any

import attrs
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import (
    IAcceptableCiphers,
    ICipher,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from menderproxy.listen.admission import Admission
from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.identity import ClientAuthorities, ServerIdentity
from menderproxy.listen.refusal import Refusals
from menderproxy.listen.verification import Verification

VERSIONS = {
    "1.0": TLSVersion.TLSv1_0,
    "1.1": TLSVersion.TLSv1_1,
    "1.2": TLSVersion.TLSv1_2,
    "1.3": TLSVersion.TLSv1_3,
}

MODERN = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""Forward secrecy and authenticated encryption only: no CBC, no RSA key exchange."""

LEGACY = (
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    # OpenSSL refuses SHA-1 signatures, and with them TLS 1.0 and 1.1, above this level.
    "@SECLEVEL=0",
)
"""What TLS 1.0 and 1.1 need besides; used only when the configuration asks for them."""


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

    Sessions are not resumed: a resumed one would not show its certificate again.

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
            **bounds,
        )
        # What OpenSSL dislikes it says here, and not to the first device.
        options.getContext()
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
        if self._admission is not None:
            trusted = () if self.authorities is None else self.authorities.certificates
            verification = Verification(
                self._admission, self._refusals, trusted, lambda: _address(tlsProtocol)
            )
            connection.set_verify(
                SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verification.check
            )
        return connection

    def wrap(self, factory: IProtocolFactory, clock: IReactorTime) -> TLSMemoryBIOFactory:
        """The factory behind TLS."""
        secure = TLSMemoryBIOFactory(self, False, factory, clock)
        secure.protocol = DeviceProtocol
        return secure


class DeviceProtocol(TLSMemoryBIOProtocol):
    """A device's TLS connection."""

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; whatever a stranger sends instead of a handshake costs no traceback."""
        try:
            super().dataReceived(data)  # type: ignore[no-untyped-call]
        except IndexError:
            # A goodbye within the handshake is an error without a text, and Twisted looks for one.
            handle = self.getHandle()  # type: ignore[no-untyped-call]
            if isinstance(handle, SSL.Connection) and handle.get_peer_finished() is not None:
                raise
            self.abortConnection()  # type: ignore[no-untyped-call]


def client_certificate(transport: object) -> ClientCertificate | None:
    """The certificate that a device showed at the handshake which is just over."""
    handle = getattr(transport, "getHandle", lambda: None)()
    if not isinstance(handle, SSL.Connection):
        return None
    chain = handle.get_verified_chain(as_cryptography=True)
    return ClientCertificate.from_chain(chain) if chain else None


def _address(transport: TLSMemoryBIOProtocol) -> str:
    return str(getattr(transport.getPeer(), "host", "")).removeprefix("::ffff:")
