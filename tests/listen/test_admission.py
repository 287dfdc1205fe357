"""What a device must go on to have while it is connected."""

from __future__ import annotations

from datetime import timedelta

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.admission import Admission
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.refusal import Reason
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.revocation_lists import RevocationLists
from tests.certificates import DAY, root
from tests.odd_certificates import revocation_list

HOUR = timedelta(hours=1)
GRACE = 3600.0


class AdmissionTests(SynchronousTestCase):
    """
    One device, whose certificate ends some day.

    :ivar now: the time of day.
    """

    def setUp(self) -> None:
        """Make the device."""
        self.authority = root()
        device = self.authority.issue("device", until=DAY)
        self.chain = device.certificate, self.authority.certificate
        self.certificate = ClientCertificate.from_chain(self.chain)
        self.end = self.certificate.not_after
        self.now = self.end - 7200

    def admission(
        self, *, blacklist: bytes = b"", lists: bytes = b"", grace: float | None = None
    ) -> Admission:
        """Make the rules."""
        files = [("lists.pem", lists)] if lists else []
        loaded = RevocationLists.load(files, [self.authority.certificate]) if files else None
        revocation = Revocation(Blacklist.parse(blacklist), loaded, strict=True)
        return Admission(revocation, grace=grace, now=lambda: self.now)

    def reason(self, admission: Admission) -> Reason | None:
        """Tell why the device is refused, ``None`` if it is not."""
        refusal = admission.refusal(self.certificate)
        return None if refusal is None else refusal.reason

    def test_good(self) -> None:
        """A good certificate lets its device in."""
        self.assertEqual(self.reason(self.admission()), None)

    def test_none(self) -> None:
        """No certificate does not."""
        refusal = self.admission().refusal(None)
        assert refusal is not None
        self.assertEqual(refusal.reason, Reason.NO_CERTIFICATE)

    def test_end(self) -> None:
        """A certificate is good to its last second, that included, and no longer."""
        admission = self.admission()
        self.now = self.end
        self.assertEqual(self.reason(admission), None)
        self.now = self.end + 1
        self.assertEqual(self.reason(admission), Reason.EXPIRED)
        refusal = admission.refusal(self.certificate)
        assert refusal is not None
        self.assertEqual(refusal.detail, f"{self.certificate}: it has expired")

    def test_grace(self) -> None:
        """The grace is what the configuration says, to the second."""
        admission = self.admission(grace=GRACE)
        self.now = self.end + GRACE
        self.assertEqual(self.reason(admission), None)
        self.now = self.end + GRACE + 1
        self.assertEqual(self.reason(admission), Reason.EXPIRED)

    def test_no_grace(self) -> None:
        """A grace of nothing is none."""
        admission = self.admission(grace=0.0)
        self.now = self.end + 1
        self.assertTrue(admission.has_expired(self.end))

    def test_revocation_within_grace(self) -> None:
        """Who is let in beyond the end may be revoked nevertheless."""
        serial = self.certificate.serial.encode()
        admission = self.admission(blacklist=serial, grace=GRACE)
        self.now = self.end + 1
        self.assertEqual(self.reason(admission), Reason.BLACKLISTED)

    def test_replaced_revocation(self) -> None:
        """What is revoked may change while devices are connected."""
        admission = self.admission()
        self.assertEqual(self.reason(admission), None)
        blacklist = Blacklist.parse(self.certificate.serial.encode())
        admission.revocation = Revocation(blacklist, None, strict=True)
        self.assertEqual(self.reason(admission), Reason.BLACKLISTED)

    def test_time_of_lists(self) -> None:
        """Whether a revocation list is in force is asked each time."""
        admission = self.admission(lists=revocation_list(self.authority, until=22 * HOUR))
        self.now = self.end - 7200 - 1
        self.assertEqual(self.reason(admission), None)
        self.now = self.end - 7200 + 60
        self.assertEqual(self.reason(admission), Reason.NO_REVOCATION_LIST)

    def test_authority_no_longer_trusted(self) -> None:
        """Who came in by an authority that has left the bundle since is refused."""
        admission = self.admission()
        admission.authorities = {self.certificate.authority_key}
        self.assertEqual(self.reason(admission), None)
        admission.authorities = {ClientCertificate.from_chain([root().certificate]).key}
        self.assertEqual(self.reason(admission), Reason.UNKNOWN_AUTHORITY)
