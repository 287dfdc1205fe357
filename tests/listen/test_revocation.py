"""Who is refused for what was revoked, and what the log is told."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.refusal import Reason, Refusal
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.revocation_lists import RevocationLists
from tests.certificates import root
from tests.revocation_lists import NOW, revocation_list, scope


class RevocationTestCase(SynchronousTestCase):
    """Has a device below an intermediate authority below the one that is trusted."""

    def setUp(self) -> None:
        """Issue their certificates."""
        self.root = root("Root CA")
        self.factory = self.root.issue("Factory CA", authority=True)
        self.device = self.factory.issue("device")
        self.certificate = ClientCertificate.from_chain(
            [each.certificate for each in (self.device, self.factory, self.root)]
        )
        self.head = f"certificate {self.certificate.serial} of CN=device by CN=Factory CA"

    def lists(self, *files: bytes) -> RevocationLists:
        """Load lists; both authorities may sign some."""
        return RevocationLists.load(
            [(f"{number}.crl", content) for number, content in enumerate(files, 1)],
            [self.root.certificate, self.factory.certificate],
        )

    def refusal(
        self,
        *,
        blacklist: str = "",
        lists: RevocationLists | None = None,
        strict: bool = True,
        now: float = NOW,
    ) -> Refusal | None:
        """Ask about the device."""
        revocation = Revocation(Blacklist.parse(blacklist.encode()), lists, strict)
        return revocation.refusal(self.certificate, now)

    def assertRefused(self, refusal: Refusal | None, reason: Reason, why: str) -> None:
        """Assert that the device is refused, and that the detail names it and says why."""
        self.assertEqual(refusal, Refusal(reason, f"{self.head}: {why}"))


class BlacklistTests(RevocationTestCase):
    """What the blacklist refuses."""

    def test_nothing_revoked(self) -> None:
        """Without an entry and without lists a device is let in."""
        self.assertIsNone(self.refusal())

    def test_device(self) -> None:
        """A device is refused by its serial number, with or without issuer, or by its key."""
        serial, key = self.certificate.serial, self.certificate.key.hex()
        for line, rule in (
            (serial, "its serial number"),
            (f"{serial} CN=Factory CA", "its serial number and issuer"),
            (f"spki:{key}", "its key"),
        ):
            self.assertRefused(
                self.refusal(blacklist=line),
                Reason.BLACKLISTED,
                f"it is blacklisted by {rule}",
            )

    def test_intermediate(self) -> None:
        """A device is refused for the serial number of the authority above it."""
        self.assertRefused(
            self.refusal(blacklist=f"{self.factory.certificate.serial_number:x} CN=Root CA"),
            Reason.BLACKLISTED,
            "the authority CN=Factory CA above it is blacklisted by its serial number and issuer",
        )

    def test_stolen_key_of_an_authority(self) -> None:
        """A device is refused for the key of any authority above it, the trusted one included."""
        for issued, why in (
            (self.certificate.path[0], "it is blacklisted by its issuer's key"),
            (
                self.certificate.path[1],
                "the authority CN=Factory CA above it is blacklisted by its issuer's key",
            ),
        ):
            line = f"spki:{issued.issuer_key.hex()}"
            self.assertRefused(self.refusal(blacklist=line), Reason.BLACKLISTED, why)

    def test_other_issuer(self) -> None:
        """The same number of another issuer is no reason."""
        self.assertIsNone(self.refusal(blacklist=f"{self.certificate.serial} CN=Root CA"))

    def test_before_lists(self) -> None:
        """The blacklist counts whatever the lists say."""
        lists = self.lists(revocation_list(self.factory, [self.device]))
        for strict in (True, False):
            self.assertRefused(
                self.refusal(blacklist=self.certificate.serial, lists=lists, strict=strict),
                Reason.BLACKLISTED,
                "it is blacklisted by its serial number",
            )


class ListTests(RevocationTestCase):
    """What the lists of the authorities refuse."""

    def test_good(self) -> None:
        """A device is let in that no authority above it has revoked."""
        lists = self.lists(revocation_list(self.root), revocation_list(self.factory))
        for strict in (True, False):
            self.assertIsNone(self.refusal(lists=lists, strict=strict))

    def test_device_revoked(self) -> None:
        """A device that its authority has revoked is refused, strictly or not."""
        lists = self.lists(revocation_list(self.root), revocation_list(self.factory, [self.device]))
        for strict in (True, False):
            self.assertRefused(
                self.refusal(lists=lists, strict=strict),
                Reason.REVOKED,
                "it is revoked by CN=Factory CA",
            )

    def test_intermediate_revoked(self) -> None:
        """A device is refused for an authority that was revoked, even if a list is missing."""
        for files in ((), (revocation_list(self.factory),)):
            lists = self.lists(revocation_list(self.root, [self.factory]), *files)
            for strict in (True, False):
                self.assertRefused(
                    self.refusal(lists=lists, strict=strict),
                    Reason.REVOKED,
                    "the authority CN=Factory CA above it is revoked by CN=Root CA",
                )

    def test_doubt(self) -> None:
        """Without a list in force a device is refused strictly, and let in leniently."""
        everything = revocation_list(self.root), revocation_list(self.factory)
        for files, now, why in (
            ((), NOW, "there is no revocation list of CN=Factory CA"),
            (everything[:1], NOW, "there is no revocation list of CN=Factory CA"),
            (everything[1:], NOW, "there is no revocation list of CN=Root CA"),
            (everything, NOW + 1e6, "the revocation list of CN=Factory CA is out of date"),
            (
                everything,
                0,
                "the revocation list of CN=Factory CA is not in force yet: is the clock right?",
            ),
        ):
            lists = self.lists(*files)
            self.assertRefused(self.refusal(lists=lists, now=now), Reason.NO_REVOCATION_LIST, why)
            self.assertIsNone(self.refusal(lists=lists, now=now, strict=False))

    def test_kinds_of_certificates(self) -> None:
        """An authority needs a list about authorities, a device one about devices."""
        root_list = revocation_list(self.root, [], scope(authorities=True))
        factory_list = revocation_list(self.factory, [], scope(users=True))
        self.assertIsNone(self.refusal(lists=self.lists(root_list, factory_list)))
        root_list = revocation_list(self.root, [], scope(users=True))
        self.assertRefused(
            self.refusal(lists=self.lists(root_list, factory_list)),
            Reason.NO_REVOCATION_LIST,
            "there is no revocation list of CN=Root CA",
        )


class OverdueTests(RevocationTestCase):
    """What the log is told."""

    def test_not_configured(self) -> None:
        """Who uses no lists misses none."""
        self.assertEqual(Revocation(Blacklist(), None, True).overdue(NOW), ())

    def test_lines(self) -> None:
        """Lists that are missing or not in force are named."""
        lists = self.lists(revocation_list(self.root))
        for strict in (True, False):
            self.assertEqual(
                Revocation(Blacklist(), lists, strict).overdue(NOW + 1e6),
                (
                    "revocation list of CN=Factory CA: missing",
                    "revocation list of CN=Root CA: out of date since 2026-06-02 12:00:00Z",
                ),
            )
