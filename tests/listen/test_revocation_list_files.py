"""Which files of revocation lists are gone by, and why the others are refused."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from menderproxy.listen.revocation_lists import RevocationListError, RevocationLists, Status
from tests.certificates import DAY, pem_of, root
from tests.revocation_lists import (
    ECDSA_WITH_SHA256,
    NOW,
    UNKNOWN,
    ListsTestCase,
    der,
    entry,
    issued,
    raw,
    respelled,
    revocation_list,
    scope,
    value,
)
from tests.wire.properties import examples

PEM_END = b"-----END X509 CRL-----\n"


class FileTests(ListsTestCase):
    """Encodings."""

    def test_der(self) -> None:
        """A file may hold a list in DER."""
        content = revocation_list(self.authority, [self.device])
        self.assertIs(self.status(der(content)), Status.REVOKED)

    def test_bundle(self) -> None:
        """A file may hold many lists in PEM, with anything around them."""
        other = root("other")
        bundle = (
            b"Lists of May\r\n"
            + pem_of(other.certificate)
            + revocation_list(other)
            + b"0 text\n"
            + revocation_list(self.authority, [self.device]).replace(b"\n", b"\r\n")
            + b"the end"
        )
        lists = RevocationLists.load(
            [("bundle.pem", bundle)], [self.authority.certificate, other.certificate]
        )
        self.assertIs(lists.status(issued(self.device, self.authority), NOW), Status.REVOKED)
        self.assertEqual(lists.overdue(NOW), ())

    def test_version_1(self) -> None:
        """A list of version 1, which OpenSSL makes unless told otherwise, is good enough."""
        content = revocation_list(self.authority, [self.device])
        content = respelled(content, self.authority, b"\x02\x01\x01")
        self.assertIs(self.status(content), Status.REVOKED)


class RefusedTests(ListsTestCase):
    """Files that can't be gone by."""

    def refusal(self, content: bytes) -> str:
        """Give the line that says why a file is refused."""
        good = revocation_list(self.authority, number=1)
        line = str(self.assertRaises(RevocationListError, self.load, good, content))
        self.assertNotIn("\n", line)
        return line

    def assertFault(self, content: bytes, fault: str) -> None:
        """Assert that a list of our authority is refused for a reason."""
        self.assertEqual(self.refusal(content), f"2.crl: revocation list of CN=Factory CA: {fault}")

    def test_no_list(self) -> None:
        """What is no list is not taken for an empty one."""
        good = revocation_list(self.authority)
        for content in (
            b"",
            b"0",
            b"junk",
            pem_of(self.authority.certificate),
            der(good)[:-1],
            der(good) + b"\n",
            b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
            b"-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----\n",
        ):
            self.assertEqual(
                self.refusal(content), "2.crl: not a certificate revocation list", content
            )

    def test_half_a_bundle(self) -> None:
        """A bundle that was cut off is refused as a whole."""
        good = revocation_list(self.authority)
        for content in (good.removesuffix(PEM_END), good + good[:-30], good[:-30] + good):
            self.assertEqual(self.refusal(content), "2.crl: a revocation list in PEM has no end")

    def test_place_in_bundle(self) -> None:
        """Of a bundle it is told which list is bad."""
        bundle = revocation_list(self.authority) + revocation_list(root("other"))
        self.assertEqual(
            self.refusal(bundle),
            "2.crl, list 2: revocation list of CN=other: no authority of this name is trusted here",
        )

    def test_foreign_signature(self) -> None:
        """A list of an authority's name needs that authority's signature."""
        self.assertFault(
            revocation_list(root("Factory CA"), [self.device]),
            "its signature is not of the authority of this name",
        )

    @examples
    @given(st.integers(0, 1000), st.integers(1, 255))
    def test_damaged(self, place: int, bits: int) -> None:
        """A list with one octet changed is refused, or says what it said: nothing else."""
        good = der(revocation_list(self.authority, [1, entry(2, UNKNOWN)], number=1))
        damaged = bytearray(good)
        damaged[place % len(good)] ^= bits
        # Only the number of unused bits at the signature's end is covered by no signature.
        with contextlib.suppress(RevocationListError):
            self.assertEqual(self.load(bytes(damaged)), self.load(good))

    def test_name_of_odd_type(self) -> None:
        """An issuer's name of a type that names can't have is no way to crash the gateway."""
        good = der(revocation_list(self.authority))
        self.assertEqual(
            self.refusal(good.replace(b"\x0c\x0aFactory CA", b"\x03\x0aFactory CA")),
            "2.crl: not a certificate revocation list",
        )

    @examples
    @given(st.binary(max_size=200))
    def test_any_bytes(self, content: bytes) -> None:
        """Whatever is in a file, the reason fits a line, which names it."""
        self.assertTrue(self.refusal(content).startswith("2.crl: "))

    def test_weak_signature(self) -> None:
        """Digests that can be forged prove nothing, even below the right signature."""
        key = rsa.generate_private_key(65537, 2048)
        self.authority = self.authority.issue("Factory CA", key=key, authority=True)
        good = x509.load_pem_x509_crl(revocation_list(self.authority, number=1))
        for digest, last in ((hashes.SHA1(), b"\x05"), (hashes.MD5(), b"\x04")):
            # The library makes no such lists: another algorithm's number goes into a good one.
            rsa_oid = bytes.fromhex("2a864886f70d0101")
            content = good.public_bytes(Encoding.DER).replace(rsa_oid + b"\x0b", rsa_oid + last)
            signed = x509.load_der_x509_crl(content).tbs_certlist_bytes
            signature = key.sign(signed, padding.PKCS1v15(), digest)
            self.assertFault(
                content.replace(good.signature, signature),
                f"its issuer signed a {digest.name} digest",
            )

    def test_key_that_cannot_sign(self) -> None:
        """An authority whose key is for key exchange has signed nothing."""
        key = x25519.X25519PrivateKey.generate().public_key()
        now = datetime.now(UTC)
        subject = self.authority.certificate.subject
        odd = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key)
            .serial_number(1)
            .not_valid_before(now)
            .not_valid_after(now + DAY)
            .sign(self.authority.key, hashes.SHA256())
        )
        content = revocation_list(self.authority)
        error = self.assertRaises(
            RevocationListError, RevocationLists.load, [("1.crl", content)], [odd]
        )
        self.assertIn("its signature is not of the authority of this name", str(error))

    def test_unknown_kind_of_key(self) -> None:
        """An authority with a key of an unknown kind is no reason to refuse the others' lists."""
        ec_oid = bytes.fromhex("2a8648ce3d0201")
        encoded = self.authority.certificate.public_bytes(Encoding.DER)
        odd = x509.load_der_x509_certificate(encoded.replace(ec_oid, ec_oid[:-1] + b"\x7f"))
        lists = RevocationLists.load(
            [("1.crl", revocation_list(self.authority))], [odd, self.authority.certificate]
        )
        self.assertIs(lists.status(issued(self.device, self.authority), NOW), Status.GOOD)

    def test_without_end(self) -> None:
        """A list that never ends is refused: nobody would notice that its successors are lost."""
        next_update = value(0x17, b"260602120000Z")
        content = respelled(revocation_list(self.authority), self.authority, next_update)
        self.assertFault(content, "it does not say when the next one is due")

    def test_unknown_version(self) -> None:
        """A list of a version that nobody knows is none."""
        content = respelled(
            revocation_list(self.authority), self.authority, b"\x02\x01\x01", b"\x02\x01\x05"
        )
        self.assertEqual(self.refusal(content), "2.crl: not a certificate revocation list")

    def test_unknown_signature(self) -> None:
        """A list signed in a way that nobody knows is refused."""
        content = respelled(
            revocation_list(self.authority),
            self.authority,
            ECDSA_WITH_SHA256,
            ECDSA_WITH_SHA256[:-1] + b"\x7f",
        )
        self.assertFault(content, "malformed, or signed in an unknown way")

    def test_malformed_extensions(self) -> None:
        """A list with extensions that can't be read is refused, whoever signed it."""
        twin = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.2"), b"")
        twice = revocation_list(self.authority, [], (UNKNOWN, False), (twin, False))
        arc = bytes.fromhex("2b0601040181fd59")
        for content in (
            respelled(twice, self.authority, arc + b"\x02", arc + b"\x01"),
            revocation_list(self.authority, [], raw("2.5.29.20", "0500")),
            revocation_list(self.authority, [], raw("2.5.29.18", "3004a302a000")),
        ):
            self.assertFault(content, "malformed, or signed in an unknown way")

    def test_scopes(self) -> None:
        """Lists that need more than a look-up are refused."""
        for extension, fault in (
            (scope(indirect=True), "an indirect list, of certificates that others issued"),
            (
                scope(reasons=[x509.ReasonFlags.key_compromise]),
                "a list of certificates revoked for some reasons only",
            ),
            (scope(attributes=True), "a list of attribute certificates"),
            (
                (x509.DeltaCRLIndicator(1), True),
                "a delta list, without what it is the difference to",
            ),
        ):
            self.assertFault(revocation_list(self.authority, [], extension), fault)

    def test_unknown_extensions(self) -> None:
        """What is critical must be understood, what is not need not be."""
        self.load(revocation_list(self.authority, [], (UNKNOWN, False)))
        self.assertFault(
            revocation_list(self.authority, [], (UNKNOWN, True)),
            "unknown critical extension 1.3.6.1.4.1.32473.1",
        )
        self.assertFault(
            revocation_list(self.authority, [1, entry(2, UNKNOWN, critical=True)]),
            "unknown critical extension 1.3.6.1.4.1.32473.1 of an entry",
        )

    def test_other_issuer_of_entry(self) -> None:
        """An entry about another issuer's certificate is refused."""
        other = x509.CertificateIssuer([x509.DirectoryName(root("x").certificate.subject)])
        self.assertFault(
            revocation_list(self.authority, [entry(1, other, critical=True)]),
            "unknown critical extension 2.5.29.29 of an entry",
        )

    def test_odd_name(self) -> None:
        """An issuer's name can't bring its own lines into the log."""
        self.assertIn("CN=a?b", self.refusal(revocation_list(root("a\nb"))))
