"""Revocation reaches what the bundle holds, too."""

from __future__ import annotations

import time

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.admission import Admission
from menderproxy.listen.authorities import ambiguous_names, revoked_authorities
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.client_certificate import key_hash
from menderproxy.listen.credentials import Credentials
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.tls import ServerTLS
from tests.certificates import Identity, root
from tests.handshake import shake_hands
from tests.listen.test_handshake_matrix import Device
from tests.listen.testcase import CredentialsTestCase
from tests.odd_certificates import revocation_list


class RevokedTests(SynchronousTestCase):
    """Which certificates of the bundle are revoked."""

    def setUp(self) -> None:
        """Make a bundle: two roots, and two intermediates below the first."""
        self.top, self.other = root("top"), root("other")
        self.left = self.top.issue("left", authority=True)
        self.right = self.top.issue("right", authority=True)
        self.bundle = [each.certificate for each in (self.top, self.other, self.left, self.right)]

    def revoked(self, blacklist: str) -> list[str]:
        """Give the names of the revoked ones."""
        revocation = Revocation(Blacklist.parse(blacklist.encode()), None, strict=True)
        found = revoked_authorities(self.bundle, revocation)
        return sorted(each.subject.rfc4514_string() for each in found)

    def serial(self, identity: Identity) -> str:
        """Write a serial number."""
        return f"{identity.certificate.serial_number:x}"

    def test_none(self) -> None:
        """A serial number of nobody revokes nobody."""
        self.assertEqual(self.revoked("abcdef"), [])

    def test_intermediate(self) -> None:
        """An intermediate falls by its serial number, of whichever or of its own issuer."""
        for entry in ("", " CN=top"):
            self.assertEqual(self.revoked(self.serial(self.left) + entry), ["CN=left"])
        self.assertEqual(self.revoked(self.serial(self.left) + " CN=other"), [])

    def test_key(self) -> None:
        """Or by its key."""
        key = key_hash(self.right.certificate).hex()
        self.assertEqual(self.revoked(f"spki:{key}"), ["CN=right"])

    def test_root(self) -> None:
        """With a root fall those below it."""
        for entry in (self.serial(self.top), f"spki:{key_hash(self.top.certificate).hex()}"):
            self.assertEqual(self.revoked(entry), ["CN=left", "CN=right", "CN=top"])

    def test_same_name(self) -> None:
        """Those below a namesake don't."""
        namesake = root("top")
        self.bundle.append(namesake.certificate)
        self.assertEqual(self.revoked(self.serial(namesake)), ["CN=top"])


class BundleTests(CredentialsTestCase):
    """What becomes of the devices below."""

    def setUp(self) -> None:
        """Trust an intermediate besides the root, as C++ clients need it."""
        super().setUp()
        self.between = self.authority.issue("between", authority=True)
        self.trust(self.authority, self.between)
        self.below = self.between.issue("below")

    def problems(self) -> str:
        """Read all files; give what is told."""
        return "\n".join(self.read().problems)

    def test_blacklisted(self) -> None:
        """A device below a blacklisted intermediate is out, whether it sends that or not."""
        serial = self.between.certificate.serial_number
        self.assertTrue(self.gets_in(self.below))
        self.write("blacklist", b"%x" % serial)
        for device in (self.below, Identity(self.below.certificate, self.below.key)):
            self.assertFalse(self.gets_in(device))
        self.assertTrue(self.gets_in(self.device))
        self.assertIn("of CN=between: not trusted: it is blacklisted by", self.problems())

    def test_revoked(self) -> None:
        """So is one below an intermediate that its own authority has revoked."""
        self.write("lists.pem", revocation_list(self.authority, self.between))
        self.assertFalse(self.gets_in(Identity(self.below.certificate, self.below.key)))
        self.assertIn("of CN=between: not trusted: its issuer has revoked it", self.problems())

    def test_restored(self) -> None:
        """It is trusted again as soon as nothing speaks against it."""
        self.write("blacklist", b"%x" % self.between.certificate.serial_number)
        last = self.read()
        self.write("blacklist", b"")
        self.assertEqual(len(self.trusted(self.read(last))), 2)

    def test_ambiguous(self) -> None:
        """Two authorities of one name are told."""
        self.trust(self.authority, root("factory"))
        self.assertIn("two authorities of the name CN=factory", self.problems())

    def gets_in(self, device: Identity) -> bool:
        """Whether a device gets in."""
        credentials = self.read(strict=False)
        admission = Admission(credentials.revocation, grace=None, now=time.time)
        tls = ServerTLS(credentials.options, credentials.authorities, admission)
        return shake_hands(Device(device, "1.3"), tls).succeeded

    def trusted(self, credentials: Credentials) -> tuple[x509.Certificate, ...]:
        """Give the authorities that are trusted."""
        assert credentials.authorities is not None
        return credentials.authorities.certificates


class NamesTests(SynchronousTestCase):
    """Authorities that are hard to tell apart."""

    def names(self, *identities: Identity) -> list[str]:
        """Give the names that are told."""
        return list(ambiguous_names([each.certificate for each in identities]))

    def test_different(self) -> None:
        """Different names are fine, and so is one key with two certificates."""
        one = root("one")
        again = one.issue("one", key=one.key, authority=True)
        self.assertEqual(self.names(one, again, root("two")), [])

    def test_same(self) -> None:
        """Two keys of one name are told."""
        self.assertEqual(self.names(root("one"), root("one"), root("two")), ["CN=one"])
