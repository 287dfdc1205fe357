"""Devices that come again: what their certificates say is known, all else is asked anew."""

from __future__ import annotations

from datetime import timedelta
from weakref import ref

from OpenSSL import crypto
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from menderproxy.listen.admission import Admission
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.identity import ClientAuthorities
from menderproxy.listen.refusal import Reason, Refusals
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.tls import ServerTLS, client_certificate, server_options
from menderproxy.listen.verification import Verification
from tests.certificates import DAY, Identity, root
from tests.handshake import shake_hands
from tests.listen.test_handshake_matrix import GATEWAY, Device
from tests.odd_certificates import Unavailable, by_openssl, signed


class VerificationTestCase(SynchronousTestCase):
    """
    Has a gateway, which trusts one authority at first.

    :ivar reasons: why devices were refused so far.
    :ivar now: the time of day.
    """

    def setUp(self) -> None:
        """Start it."""
        self.reasons: list[Reason] = []
        self.authority = root("factory")
        self.now = self.authority.certificate.not_valid_before_utc.timestamp() + 2 * 86400
        self.admission = Admission(self.revoking(b""), grace=None, now=lambda: self.now)
        self.refusals = Refusals(self.reasons.append)
        self.trust(self.authority)

    def revoking(self, blacklist: bytes) -> Revocation:
        """Make what a blacklist comes to."""
        return Revocation(Blacklist.parse(blacklist), None, strict=True)

    def trust(self, *trusted: Identity, minimum: str = "1.2") -> None:
        """Trust these authorities, and no others, and speak no older TLS than this."""
        self.authorities = ClientAuthorities(tuple(each.certificate for each in trusted))
        options = server_options(GATEWAY, minimum, self.authorities)
        self.tls = ServerTLS(options, self.authorities, self.admission, self.refusals)

    def connect(self, device: Identity, version: str = "1.3") -> ClientCertificate | None:
        """Let a device connect; give what it is known by, unless it is refused."""
        ends = shake_hands(Device(device, version), self.tls)
        self.assertEqual(ends.succeeded, not self.reasons)
        return client_certificate(ends.server.transport) if ends.succeeded else None


class ReturningTests(VerificationTestCase):
    """A device that got in connects again."""

    def setUp(self) -> None:
        """Let it in."""
        super().setUp()
        self.device = self.authority.issue("device")
        self.known = self.connect(self.device)
        assert self.known is not None

    def test_remembered(self) -> None:
        """It is known by the very same object, in whichever way it comes."""
        for version in ("1.2", "1.3"):
            self.assertIs(self.connect(self.device, version), self.known)

    def test_namesake(self) -> None:
        """Another one of the same name is another one."""
        other = self.connect(self.authority.issue("device"))
        assert self.known is not None and other is not None
        self.assertEqual(other.subject, self.known.subject)
        self.assertNotEqual((other.serial, other.key), (self.known.serial, self.known.key))

    def test_blacklisted(self) -> None:
        """It is refused when it was revoked meanwhile."""
        assert self.known is not None
        self.admission.revocation = self.revoking(self.known.serial.encode())
        self.connect(self.device)
        self.assertEqual(self.reasons, [Reason.BLACKLISTED])

    def test_ended(self) -> None:
        """It is refused when its certificate has ended meanwhile."""
        assert self.known is not None
        self.now = self.known.not_after + 1
        self.connect(self.device)
        self.assertEqual(self.reasons, [Reason.EXPIRED])

    def test_authority_gone(self) -> None:
        """It is refused when its authority is trusted no more."""
        self.trust(root("another factory"))
        self.connect(self.device)
        self.assertEqual(self.reasons, [Reason.UNKNOWN_AUTHORITY])

    def test_made_an_authority(self) -> None:
        """It is refused when its own certificate was put among those of the authorities."""
        self.trust(self.authority, self.device)
        self.connect(self.device)
        self.assertEqual(self.reasons, [Reason.AUTHORITY_AS_CLIENT])


class AuthorityTests(VerificationTestCase):
    """An authority's certificate may be good for what it is trusted for, and for nothing else."""

    def test_trusted_no_more(self) -> None:
        """A weak signature on one is no matter while it is trusted by itself, and no longer."""
        try:
            between = by_openssl("between", self.authority, "-sha1", authority=True)
        except Unavailable as error:
            raise SkipTest(str(error)) from None
        device = signed("device", between)
        # At the security level of TLS 1.0 OpenSSL has no objection.
        self.trust(between, minimum="1.0")
        self.assertIsNotNone(self.connect(device))
        self.trust(self.authority, minimum="1.0")
        self.connect(Identity(device.certificate, device.key, (between.certificate,)))
        self.assertEqual(self.reasons, [Reason.WEAK_SIGNATURE])


class ExpiredTests(VerificationTestCase):
    """OpenSSL is overruled about certificates that have ended, each time."""

    def test_grace(self) -> None:
        """The grace for a device that got in by it ends as well."""
        hour = timedelta(hours=1)
        device = signed("device", self.authority, since=-DAY, until=-hour)
        end = device.certificate.not_valid_after_utc.timestamp()
        self.now, self.admission.grace = end + 7200, 7200.0
        self.assertIsNotNone(self.connect(device))
        self.assertIsNotNone(self.connect(device))
        self.now += 1
        self.connect(device)
        self.assertEqual(self.reasons, [Reason.EXPIRED])


class Somebody:
    """Somebody whose address is asked for."""

    def address(self) -> str:
        """Give it."""
        return "198.51.100.1"


class MemoryTests(VerificationTestCase):
    """A verification lives as long as its connection, for weeks perhaps."""

    def test_outcome_only(self) -> None:
        """When a device is let in, neither its path nor who it is connected to is kept."""
        somebody = Somebody()
        verification = Verification(
            self.admission, self.refusals, self.authorities.encoded, somebody.address
        )
        somebody_known = ref(somebody)
        del somebody
        self.assertIsNotNone(somebody_known())
        path = self.authority, self.authority.issue("device")
        for depth, each in ((1, path[0]), (0, path[1])):
            certificate = crypto.X509.from_cryptography(each.certificate)
            self.assertTrue(verification.check(certificate, 0, depth, True))
        self.assertIsNone(somebody_known())
        self.assertIsNotNone(verification.certificate)
        self.assertEqual(verification._path, ())
