"""What revocation lists say of a certificate, and which of several lists counts."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from menderproxy.listen.revocation_lists import RevocationLists, Status
from tests.certificates import DAY, root
from tests.revocation_lists import (
    NOW,
    TODAY,
    UNKNOWN,
    ListsTestCase,
    entry,
    issued,
    revocation_list,
    scope,
)


class StatusTests(ListsTestCase):
    """What a list says."""

    def test_listed(self) -> None:
        """What a list has is revoked, anything else of that issuer is good."""
        self.assertIs(
            self.status(revocation_list(self.authority, [1, self.device])), Status.REVOKED
        )
        self.assertIs(self.status(revocation_list(self.authority, [1, 2])), Status.GOOD)
        self.assertIs(self.status(revocation_list(self.authority)), Status.GOOD)

    def test_times(self) -> None:
        """A list is in force from its date to that of the next one, both included."""
        content = revocation_list(self.authority)
        day = DAY.total_seconds()
        for now, status in (
            (NOW - day - 1, Status.NOT_YET),
            (NOW - day, Status.GOOD),
            (NOW + day, Status.GOOD),
            (NOW + day + 1, Status.EXPIRED),
        ):
            self.assertIs(self.status(content, now=now), status)

    def test_revoked_for_good(self) -> None:
        """What a list has is revoked even while the list is not in force."""
        content = revocation_list(self.authority, [self.device])
        for now in (0, NOW + 1e9):
            self.assertIs(self.status(content, now=now), Status.REVOKED)

    def test_missing(self) -> None:
        """An authority without a list is told from one with an empty list."""
        self.assertIs(self.status(), Status.MISSING)

    def test_on_hold(self) -> None:
        """A certificate on hold is revoked; one that came off the list is not."""
        for reason, status in (
            (x509.ReasonFlags.certificate_hold, Status.REVOKED),
            (x509.ReasonFlags.key_compromise, Status.REVOKED),
            (x509.ReasonFlags.remove_from_crl, Status.GOOD),
        ):
            revoked = entry(self.device, x509.CRLReason(reason))
            self.assertIs(self.status(revocation_list(self.authority, [revoked])), status)

    def test_entry_extensions(self) -> None:
        """Dates of invalidity, even critical ones, and unknown remarks on an entry do no harm."""
        for extension, critical in ((x509.InvalidityDate(TODAY), True), (UNKNOWN, False)):
            revoked = entry(self.device, extension, critical=critical)
            content = revocation_list(self.authority, [revoked])
            self.assertIs(self.status(content), Status.REVOKED)


class IssuerTests(ListsTestCase):
    """Whose list it is."""

    def test_other_issuer(self) -> None:
        """A list says nothing of other issuers' certificates with the same number."""
        other = root("other")
        lists = RevocationLists.load(
            [("1.crl", revocation_list(other, [self.device]))],
            [self.authority.certificate, other.certificate],
        )
        self.assertIs(lists.status(issued(self.device, self.authority), NOW), Status.MISSING)

    def test_namesakes(self) -> None:
        """Two authorities of one name are told apart by their keys."""
        namesake = root("Factory CA")
        for content, status in (
            (revocation_list(namesake, [self.device]), Status.MISSING),
            (revocation_list(self.authority, [self.device]), Status.REVOKED),
        ):
            for both in ((self.authority, namesake), (namesake, self.authority)):
                lists = RevocationLists.load(
                    [("1.crl", content)], [each.certificate for each in both]
                )
                self.assertIs(lists.status(issued(self.device, self.authority), NOW), status)

    def test_renewed_authority(self) -> None:
        """A list counts for all certificates of its issuer's name and key."""
        renewed = root("other").issue("Factory CA", key=self.authority.key, authority=True)
        lists = RevocationLists.load(
            [("1.crl", revocation_list(self.authority, [self.device]))], [renewed.certificate]
        )
        self.assertIs(lists.status(issued(self.device, self.authority), NOW), Status.REVOKED)


class NewestTests(ListsTestCase):
    """Which of several lists of an issuer counts."""

    def statuses(self, old: bytes, new: bytes) -> set[Status]:
        """Look our device up in two lists, loaded in either order."""
        return {self.status(old, new), self.status(new, old)}

    def test_number(self) -> None:
        """The higher number counts, whatever the dates."""
        old = revocation_list(self.authority, [self.device], number=7)
        new = revocation_list(self.authority, number=8, since=TODAY - 2 * DAY)
        self.assertEqual(self.statuses(old, new), {Status.GOOD})

    def test_date(self) -> None:
        """Without two numbers, or with the same ones, the later date counts."""
        for numbers in ((None, None), (7, None), (None, 7), (7, 7)):
            old = revocation_list(self.authority, number=numbers[0], since=TODAY - 2 * DAY)
            new = revocation_list(self.authority, [self.device], number=numbers[1])
            self.assertEqual(self.statuses(old, new), {Status.REVOKED}, numbers)

    def test_parts(self) -> None:
        """Lists about different parts of the certificates count all."""
        one = revocation_list(self.authority, [self.device], scope(url="http://x/1"), number=1)
        two = revocation_list(self.authority, [1], scope(url="http://x/2"), number=2)
        self.assertEqual(self.statuses(one, two), {Status.REVOKED})
        newer = revocation_list(self.authority, [], scope(url="http://x/1"), number=3)
        self.assertIs(self.status(one, two, newer), Status.GOOD)

    def test_part_out_of_date(self) -> None:
        """A certificate that may be on the part that is out of date is not good."""
        day = timedelta(hours=1)
        one = revocation_list(self.authority, [], scope(url="http://x/1"), until=TODAY - day)
        two = revocation_list(self.authority, [], scope(url="http://x/2"))
        self.assertEqual(self.statuses(one, two), {Status.EXPIRED})


class ScopeTests(ListsTestCase):
    """Lists about some kinds of certificates only."""

    def test_devices_only(self) -> None:
        """A list about devices is none about authorities."""
        content = revocation_list(self.authority, [1], scope(users=True))
        self.assertIs(self.status(content), Status.GOOD)
        self.assertIs(self.status(content, authority=True), Status.MISSING)

    def test_authorities_only(self) -> None:
        """A list about authorities is none about devices."""
        content = revocation_list(self.authority, [1], scope(authorities=True))
        self.assertIs(self.status(content), Status.MISSING)
        self.assertIs(self.status(content, authority=True), Status.GOOD)

    def test_listed_nevertheless(self) -> None:
        """What a list has is revoked, whatever the list is about."""
        content = revocation_list(self.authority, [self.device], scope(authorities=True))
        self.assertIs(self.status(content), Status.REVOKED)

    def test_place(self) -> None:
        """A list that says no more than where it can be found is about all."""
        content = revocation_list(self.authority, [], scope(url="http://crl.example/"))
        for authority in (False, True):
            self.assertIs(self.status(content, authority=authority), Status.GOOD)


class TextTests(ListsTestCase):
    """How lists look in a debugger or an error."""

    def test_repr(self) -> None:
        """The text of a list is short, however many certificates it has."""
        text = repr(self.load(revocation_list(self.authority, [4242424242])))
        self.assertIn("CN=Factory CA", text)
        self.assertNotIn("4242424242", text)


class OverdueTests(ListsTestCase):
    """What is told of lists that are missing or not in force."""

    def test_in_force(self) -> None:
        """Of lists in force there is nothing to tell."""
        self.assertEqual(self.load(revocation_list(self.authority)).overdue(NOW), ())

    def test_lines(self) -> None:
        """Each list is named with its issuer and what is wrong with it."""
        lists = self.load(revocation_list(self.authority))
        head = "revocation list of CN=Factory CA:"
        for now, line in (
            (NOW + 1e6, f"{head} out of date since 2026-06-02 12:00:00Z"),
            (0, f"{head} in force only from 2026-05-31 12:00:00Z: is the clock right?"),
        ):
            self.assertEqual(lists.overdue(now), (line,))
        self.assertEqual(self.load().overdue(NOW), (f"{head} missing",))

    def test_expires(self) -> None:
        """The end of each issuer's list is known, that of the first to end if it has several."""
        one = revocation_list(self.authority, [], scope(url="http://x/1"), until=TODAY + 2 * DAY)
        two = revocation_list(self.authority, [], scope(url="http://x/2"))
        for files in ((one, two), (two, one)):
            expected = {"CN=Factory CA": (TODAY + DAY).timestamp()}
            self.assertEqual(self.load(*files).expires, expected)
        self.assertEqual(self.load().expires, {})
