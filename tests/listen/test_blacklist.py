"""Which lines of a blacklist refuse which certificates, and what becomes of the other lines."""

from __future__ import annotations

import string
from codecs import BOM_UTF8

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.blacklist import QUOTED, REMARKS, Blacklist
from menderproxy.listen.client_certificate import ClientCertificate, Issued
from tests.certificates import root
from tests.wire.properties import examples

FACTORY = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ACME"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Factory CA"),
    ]
)
KEY = bytes(range(32))
SPKI = KEY.hex()

HARMLESS = st.text(string.printable, max_size=10).map(lambda text: "".join(text.split()))


def issued(
    serial: int = 0xA1B2C,
    issuer: x509.Name = FACTORY,
    issuer_key: bytes = b"issuer's key",
    key: bytes = b"own key",
) -> Issued:
    """Make a certificate."""
    return Issued(serial, issuer, issuer_key, key)


def name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """Make a name, in the order that certificates have, with one attribute in each part."""
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


class BlacklistTestCase(SynchronousTestCase):
    """Asks blacklists."""

    def assertLists(self, content: str | bytes, *certificates: Issued) -> None:
        """Assert that a file applies as a whole, and that each certificate is refused by it."""
        encoded = content.encode() if isinstance(content, str) else content
        blacklist = Blacklist.parse(encoded)
        self.assertEqual(blacklist.remarks, (), content)
        for each in certificates:
            self.assertTrue(blacklist.lists(each), (content, each))

    def assertAllows(self, content: str, *certificates: Issued) -> None:
        """Assert that none of the certificates is refused."""
        blacklist = Blacklist.parse(content.encode())
        for each in certificates:
            self.assertFalse(blacklist.lists(each), (content, each))


class SerialTests(BlacklistTestCase):
    """A serial number by itself."""

    def test_spellings(self) -> None:
        """Case, colons, prefixes and leading zeros make no difference."""
        for line in (
            "0A:1B:2c",
            "a:1b:2c",
            "0x0a1b2c",
            "0X0A:1B:2C",
            "0A1B2C",
            "a1b2c",
            "000000000a1b2c",
            "serial=0A1B2C",
            "  a1b2c\t",
        ):
            self.assertLists(line, issued(0xA1B2C))

    @examples
    @given(
        st.integers(-(2**70), 2**190),
        st.sampled_from(("", "serial=")),
        st.sampled_from(("", "0x", "0X")),
        st.sampled_from(("", ":")),
        st.integers(0, 3),
        st.booleans(),
        st.sampled_from(("", " # stolen", "#", "\r")),
    )
    def test_any_spelling(
        self, serial: int, label: str, prefix: str, colon: str, zeros: int, upper: bool, end: str
    ) -> None:
        """Any number is found in any spelling, and no other number is."""
        octets = bytes(zeros) + abs(serial).to_bytes((serial.bit_length() + 7) // 8 or 1, "big")
        digits = octets.hex(*colon)
        sign = "-" if serial < 0 else ""
        line = f"{label}{sign}{prefix}{digits.upper() if upper else digits}{end}"
        self.assertLists(line, issued(serial))
        self.assertAllows(line, issued(serial + 1), issued(serial - 1), issued(-serial or 1))

    def test_negative(self) -> None:
        """Some authorities number below zero; OpenSSL writes that with a minus."""
        for line in ("-1a", "-1A", "-0x1a", "serial=-1A"):
            self.assertLists(line, issued(-0x1A))
            self.assertAllows(line, issued(0x1A))

    def test_long(self) -> None:
        """A number longer than the 20 octets that are allowed is found."""
        self.assertLists("ff" * 30, issued(2**240 - 1))

    def test_whatever_issuer(self) -> None:
        """The number is refused of every issuer."""
        self.assertLists("a1b2c", issued(), issued(issuer=name((NameOID.COMMON_NAME, "x"))))

    def test_real_certificate(self) -> None:
        """What ``openssl x509 -serial`` prints of a certificate refuses it."""
        authority = root()
        device, other = authority.issue("device"), authority.issue("other")
        serial = f"serial={device.certificate.serial_number:X}"
        path = ClientCertificate.from_chain((device.certificate, authority.certificate)).path
        self.assertLists(serial, *path)
        path = ClientCertificate.from_chain((other.certificate, authority.certificate)).path
        self.assertAllows(serial, *path)


class IssuerTests(BlacklistTestCase):
    """A serial number of one issuer."""

    def test_only_that_issuer(self) -> None:
        """The same number of another issuer is good."""
        line = "0A1B2C CN=Factory CA,O=ACME"
        self.assertLists(line, issued())
        self.assertAllows(
            line,
            issued(0xA1B2D),
            issued(issuer=name((NameOID.COMMON_NAME, "Factory CA"))),
            issued(issuer=x509.Name(reversed(list(FACTORY)))),
            issued(issuer=x509.Name([])),
        )

    def test_spellings(self) -> None:
        """White space of any kind parts number and name, and OpenSSL's label may stay."""
        for line in (
            "0a:1b:2c\tCN=Factory CA,O=ACME\r\n",
            "serial=0A1B2C   issuer=CN=Factory CA,O=ACME",
            "a1b2c CN=Factory CA,2.5.4.10=ACME # stolen",
            r"a1b2c CN=Factory\20CA,O=ACME",
        ):
            self.assertLists(line, issued())

    def test_as_openssl_prints(self) -> None:
        """The attributes and escapes of ``-nameopt RFC2253`` are understood."""
        for printed, issuer in (
            (
                r"CN=\ #Factory CA\ ,emailAddress=ca@acme.example,"
                r"O=M\C3\BCller\, S\C3\B6hne & \"Co\" \+ \<x\>\; #1=a\\b,C=DE",
                name(
                    (NameOID.COUNTRY_NAME, "DE"),
                    (NameOID.ORGANIZATION_NAME, 'Müller, Söhne & "Co" + <x>; #1=a\\b'),
                    (NameOID.EMAIL_ADDRESS, "ca@acme.example"),
                    (NameOID.COMMON_NAME, " #Factory CA "),
                ),
            ),
            (
                r"CN=\#1,CN=Line # 3+serialNumber=7",
                x509.Name(
                    [
                        x509.RelativeDistinguishedName(
                            [
                                x509.NameAttribute(NameOID.SERIAL_NUMBER, "7"),
                                x509.NameAttribute(NameOID.COMMON_NAME, "Line # 3"),
                            ]
                        ),
                        x509.RelativeDistinguishedName(
                            [x509.NameAttribute(NameOID.COMMON_NAME, "#1")]
                        ),
                    ]
                ),
            ),
        ):
            self.assertLists(f"a1b2c {printed}", issued(issuer=issuer))

    def test_string_types(self) -> None:
        """It makes no difference which kind of string the issuer wrote its name with."""
        authority = root("Factory CA")
        device = authority.issue("device")
        printable = device.certificate.public_bytes(Encoding.DER).replace(
            b"\x0c\x0aFactory CA", b"\x13\x0aFactory CA"
        )
        respelled = x509.load_der_x509_certificate(printable)
        for certificate in (device.certificate, respelled):
            chain = (certificate, authority.certificate)
            line = f"{certificate.serial_number:x} CN=Factory CA"
            self.assertLists(line, *ClientCertificate.from_chain(chain).path)

    def test_number_sign(self) -> None:
        """Where a comment may be part of the name, both readings are refused."""
        line = "a1b2c CN=Line # 3 # stolen"
        for common_name in ("Line", "Line # 3", "Line # 3 # stolen"):
            self.assertLists(line, issued(issuer=name((NameOID.COMMON_NAME, common_name))))
        self.assertEqual(len(Blacklist.parse(line.encode())), 1)

    def test_several_issuers(self) -> None:
        """The same number may be refused of several issuers."""
        lines = "a1b2c CN=one\na1b2c CN=two\n"
        for common_name in ("one", "two"):
            self.assertLists(lines, issued(issuer=name((NameOID.COMMON_NAME, common_name))))
        self.assertAllows(lines, issued())


class KeyTests(BlacklistTestCase):
    """A key, wherever in a path it is."""

    def test_own_key(self) -> None:
        """All certificates of the key are refused."""
        for line in (
            f"spki:{SPKI}",
            f"SPKI:{SPKI.upper()}",
            f"spki: {KEY.hex(':')} # stolen",
            f"spki:{SPKI}#stolen",
        ):
            self.assertLists(line, issued(key=KEY), issued(1, key=KEY))
            self.assertAllows(line, issued())

    def test_issuer_key(self) -> None:
        """All certificates that were signed with the key are refused."""
        self.assertLists(f"spki:{SPKI}", issued(issuer_key=KEY))

    def test_length(self) -> None:
        """Anything but 32 octets is no key."""
        for digits in ("", SPKI[2:], SPKI[1:], SPKI + "00", "g" * 64, SPKI + " CN=x"):
            blacklist = Blacklist.parse(f"spki:{digits}".encode())
            self.assertEqual(len(blacklist), 0, digits)
            self.assertIn("not a SHA-256 of 64 hexadecimal digits", blacklist.remarks[0])


class RuleTests(SynchronousTestCase):
    """What a certificate is refused for."""

    def test_rules(self) -> None:
        """The kind of entry is told."""
        for line, certificate, rule in (
            ("a1b2c", issued(), "its serial number"),
            ("a1b2c CN=Factory CA,O=ACME", issued(), "its serial number and issuer"),
            (f"spki:{SPKI}", issued(key=KEY), "its key"),
            (f"spki:{SPKI}", issued(issuer_key=KEY), "its issuer's key"),
            ("a1b2d", issued(), None),
        ):
            self.assertEqual(Blacklist.parse(line.encode()).rule(certificate), rule)


class FileTests(BlacklistTestCase):
    """Files as people and programs write them."""

    def test_comments_and_blank_lines(self) -> None:
        """Comments stand on lines of their own or after an entry; blank lines are nothing."""
        content = "# lost in May\n\n   \n  # indented\n01 # stolen\n02#sold\n\t03\n#04"
        self.assertLists(content, issued(1), issued(2), issued(3))
        self.assertAllows(content, issued(4))
        self.assertEqual(len(Blacklist.parse(content.encode())), 3)

    def test_windows(self) -> None:
        """A byte order mark and Windows' line ends do no harm."""
        content = b"\xef\xbb\xbf01\r\n02 CN=Factory CA,O=ACME\r\n\r\n03"
        self.assertLists(content, issued(1), issued(2), issued(3))

    def test_empty(self) -> None:
        """An empty file refuses nobody."""
        self.assertAllows("", issued())
        self.assertEqual(len(Blacklist.parse(b"")), 0)

    def test_comment_in_other_encoding(self) -> None:
        """A comment that is no UTF-8 does no harm."""
        content = b"# M\xfcller\n01 # M\xfcller\n02 CN=Factory CA,O=ACME # M\xfcller"
        self.assertLists(content, issued(1), issued(2))


class JunkTests(SynchronousTestCase):
    """Lines that are no entries."""

    def remarks(self, content: bytes) -> tuple[str, ...]:
        """Give the remarks."""
        return Blacklist.parse(content).remarks

    def test_others_apply(self) -> None:
        """A line that can't be read is named, and all the others apply."""
        blacklist = Blacklist.parse(b"01\n\n# comment\nxyz\n02\n")
        self.assertEqual(blacklist.remarks, ("line 4: 'xyz': not a hexadecimal serial number",))
        self.assertTrue(blacklist.lists(issued(1)))
        self.assertTrue(blacklist.lists(issued(2)))
        self.assertEqual(len(blacklist), 2)

    def test_looking_like_numbers(self) -> None:
        """What merely begins like a number, as a device's name may, is no number."""
        for line in (
            "deadbeef-device",
            "0a1b2c.example",
            "0x",
            "-",
            "0a:1b:2",
            "0a::1b",
            "0a:1b:",
            "abc:12",
            "0a,0b",
            "--1a",
            "serial=",
            "CN=0a1b2c",
            "01O=ACME",
            "\N{FULLWIDTH DIGIT ONE}",
        ):
            blacklist = Blacklist.parse(line.encode())
            why = f"line 1: '{line}': not a hexadecimal serial number"
            self.assertEqual((len(blacklist), blacklist.remarks), (0, (why,)))

    def test_not_a_name(self) -> None:
        """A number with anything but a name behind it is refused of nobody, and remarked upon."""
        for rest in (
            "device7",
            "CN = Factory CA, O = ACME",
            "O=ACME, CN=Factory CA",
            "issuer=",
            "unknown=x",
            "CN=",
            "0B",
        ):
            blacklist = Blacklist.parse(f"a1b2c {rest}".encode())
            self.assertFalse(blacklist.lists(issued()), rest)
            self.assertEqual(
                blacklist.remarks,
                (
                    f"line 1: 'a1b2c {rest}': "
                    "no issuer's name, as RFC 4514 has it, after the serial number",
                ),
            )

    def test_unreadable_name(self) -> None:
        """A name that no certificate could match is remarked upon, and not kept in silence."""
        for rest in (b"CN=M\xfcller", b"1.2.3.4=#0C0474657374", b"CN=x,1.2.3.4=#0C0178"):
            self.assertEqual(len(self.remarks(b"01 " + rest)), 1, rest)

    def test_quotation(self) -> None:
        """Of a line no more than its beginning is repeated, and nothing that a terminal obeys."""
        line = "\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}" + "z" * 1000
        quoted = "?[31m?" + "z" * (QUOTED - 6)
        self.assertEqual(
            self.remarks(line.encode()), (f"line 1: '{quoted}': not a hexadecimal serial number",)
        )

    def test_wrong_file(self) -> None:
        """A file of nothing else does not flood the log."""
        remarks = self.remarks(b"junk\n" * 1000)
        self.assertEqual(len(remarks), REMARKS + 1)
        self.assertEqual(remarks[-1], f"{1000 - REMARKS} more lines can't be read")

    def test_repr(self) -> None:
        """The text of a blacklist is short, however long the list."""
        self.assertNotIn("42", repr(Blacklist(frozenset({42}))))

    @examples
    @given(st.lists(HARMLESS | st.sampled_from(("01", "02 CN=x", f"spki:{SPKI}", "# x", ""))))
    def test_any_lines(self, lines: list[str]) -> None:
        """Whatever stands around an entry, it applies."""
        for end in ("\n", "\r\n"):
            content = end.join((*lines, "a1b2c", *lines))
            self.assertTrue(Blacklist.parse(content.encode()).lists(issued()))

    @examples
    @given(st.binary(max_size=2 * REMARKS))
    def test_any_bytes(self, content: bytes) -> None:
        """Any file can be read, and each line of it is blank, a comment, an entry or junk."""
        blacklist = Blacklist.parse(content)
        lines = [line.strip() for line in content.removeprefix(BOM_UTF8).split(b"\n")]
        said = [line for line in lines if line and not line.startswith(b"#")]
        self.assertEqual(len(blacklist) + len(blacklist.remarks), len(said))
