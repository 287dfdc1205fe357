"""What is put on record about handshakes that fail."""

from __future__ import annotations

import time

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.test import iosim
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.admission import Admission
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.handshake import handshake_refusal
from menderproxy.listen.identity import ClientAuthorities, ServerIdentity
from menderproxy.listen.refusal import Reason, Refusal
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.tls import ServerTLS, server_options
from tests.certificates import root
from tests.handshake import End, shake_hands
from tests.listen.test_handshake_matrix import Device


class Distrustful(Device):
    """A device that has never heard of the gateway's authority."""

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make a connection."""
        connection = super().clientConnectionForTLS(tlsProtocol)
        connection.set_verify(SSL.VERIFY_PEER)
        return connection


class Sender(Protocol):
    """Sends bytes as they are, and perhaps goes away then."""

    def __init__(self, content: bytes, goes: bool):
        self._content = content
        self._goes = goes

    def connectionMade(self) -> None:
        """Send them."""
        assert self.transport is not None
        self.transport.write(self._content)
        if self._goes:
            self.transport.loseConnection()


class HandshakeTestCase(SynchronousTestCase):
    """Has a gateway that wants TLS 1.2 and certificates from devices."""

    def setUp(self) -> None:
        """Make it."""
        self.authority = root()
        self.device = self.authority.issue("device")

    def tls(self, minimum: str) -> ServerTLS:
        """Make the gateway's side."""
        server = self.authority.issue("gateway")
        identity = ServerIdentity((server.certificate,), server.key)  # type: ignore[arg-type]
        authorities = ClientAuthorities((self.authority.certificate,))
        revocation = Revocation(Blacklist.parse(b""), None, strict=True)
        admission = Admission(revocation, grace=None, now=time.time)
        return ServerTLS(server_options(identity, minimum, authorities), authorities, admission)

    def refusal_of(self, device: Device, minimum: str = "1.2") -> Refusal | None:
        """Tell what is put on record about a device that tries to connect."""
        return self.verdict(shake_hands(device, self.tls(minimum)).server)

    def refusal_of_bytes(self, content: bytes, *, goes: bool = False) -> Refusal | None:
        """Tell what is put on record about bytes."""
        end, clock = End(), Clock()
        wrapped = Factory.forProtocol(lambda: end)
        server = TLSMemoryBIOFactory(self.tls("1.2"), False, wrapped, clock).buildProtocol(
            IPv4Address("TCP", "198.51.100.1", 50000)
        )
        assert server is not None
        client = Sender(content, goes)
        iosim.connect(
            server, iosim.makeFakeServer(server), client, iosim.makeFakeClient(client), clock=clock
        ).flush()
        return self.verdict(end)

    def verdict(self, server: End) -> Refusal | None:
        """Tell what is put on record about a lost connection."""
        self.assertIsNone(server.tls, "the handshake did not fail")
        assert server.error is not None
        return handshake_refusal(Failure(server.error))


class RefusalTests(HandshakeTestCase):
    """What is not as it should be has a reason, and OpenSSL's words for it."""

    def test_no_certificate(self) -> None:
        """A device without a certificate is told as one, whatever version it speaks."""
        why = Refusal(Reason.NO_CERTIFICATE, "TLS handshake: peer did not return a certificate")
        for version in ("1.2", "1.3"):
            self.assertEqual(self.refusal_of(Device(None, version)), why)

    def test_old_version(self) -> None:
        """A device that speaks only what is too old is told as one."""
        for version, minimum in (("1.0", "1.2"), ("1.1", "1.2"), ("1.2", "1.3")):
            refusal = self.refusal_of(Device(self.device, version), minimum)
            assert refusal is not None
            self.assertEqual(refusal.reason, Reason.TLS_VERSION, refusal)

    def test_distrust(self) -> None:
        """A device that does not trust the gateway says so itself, in an alert."""
        for version in ("1.2", "1.3"):
            refusal = self.refusal_of(Distrustful(self.device, version))
            assert refusal is not None
            self.assertEqual(refusal.reason, Reason.HANDSHAKE)
            self.assertIn("alert unknown ca", refusal.detail)

    def test_http(self) -> None:
        """Plain HTTP at the port for TLS is told as what it is."""
        refusal = self.refusal_of_bytes(b"GET / HTTP/1.1\r\nHost: gateway.example\r\n\r\n")
        self.assertEqual(refusal, Refusal(Reason.NOT_TLS, "TLS handshake: http request"))

    def test_not_tls(self) -> None:
        """Nor is any other protocol TLS, or noise."""
        for content in (
            b"CONNECT gateway.example:443 HTTP/1.1\r\n\r\n",
            b"DELETE / HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n",
            b"\0" * 40,
            b"\xff" * 40,
        ):
            refusal = self.refusal_of_bytes(content)
            assert refusal is not None
            self.assertEqual(refusal.reason, Reason.NOT_TLS, (content, refusal))

    def test_malformed(self) -> None:
        """TLS that can't be understood is a failed handshake and no more."""
        refusal = self.refusal_of_bytes(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03")
        assert refusal is not None
        self.assertEqual(refusal.reason, Reason.HANDSHAKE, refusal)
        self.assertTrue(refusal.detail.startswith("TLS handshake: "), refusal)

    def test_wordless(self) -> None:
        """An error that OpenSSL has no words for is a failed handshake."""
        failed = Refusal(Reason.HANDSHAKE, "TLS handshake: failed")
        for error in (SSL.Error(), SSL.Error([])):
            self.assertEqual(handshake_refusal(Failure(error)), failed)


class NothingToTellTests(HandshakeTestCase):
    """What is no news, or no longer."""

    def test_gone(self) -> None:
        """A device may go away before its first byte, or after some."""
        for content in (b"", b"\x16\x03", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"):
            self.assertIsNone(self.refusal_of_bytes(content, goes=True), content)

    def test_ways_to_go(self) -> None:
        """It may go away in whichever way."""
        for error in (
            ConnectionDone(),
            ConnectionLost(),
            SSL.SysCallError(104, "ECONNRESET"),
            SSL.ZeroReturnError(),
        ):
            self.assertIsNone(handshake_refusal(Failure(error)), error)

    def test_refused_certificate(self) -> None:
        """A certificate that was refused has been told with the reason for it already."""
        stranger = root("stranger").issue("device")
        for version in ("1.2", "1.3"):
            self.assertIsNone(self.refusal_of(Device(stranger, version)))
