"""What is taken down of the certificates that devices come with."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from menderproxy.listen.client_certificate import (
    ClientCertificate,
    Issued,
    key_hash,
    loggable_name,
    serial_text,
)
from tests.certificates import pem_of, root
from tests.odd_certificates import KEYS, signed


def openssl(*arguments: str, given: bytes) -> bytes:
    """Let the ``openssl`` command work on something."""
    try:
        done = subprocess.run(("openssl", *arguments), input=given, capture_output=True, check=True)
    except FileNotFoundError:
        raise SkipTest("there is no openssl command") from None
    return done.stdout


def named(text: str) -> x509.Name:
    """Make a name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class ChainTests(SynchronousTestCase):
    """A device's certificate, and those above it."""

    def setUp(self) -> None:
        """Make a chain of three."""
        self.root = root("root")
        self.between = self.root.issue("between", authority=True)
        self.device = self.between.issue("device")

    def test_path(self) -> None:
        """The path is the device's own and the intermediates, each with its issuer's key."""
        device, between = self.device.certificate, self.between.certificate
        chain = [device, between, self.root.certificate]
        certificate = ClientCertificate.from_chain(chain)
        root_key, between_key = key_hash(self.root.certificate), key_hash(between)
        self.assertEqual(
            certificate.path,
            (
                Issued(device.serial_number, named("between"), between_key, key_hash(device)),
                Issued(between.serial_number, named("root"), root_key, between_key),
            ),
        )

    def test_intermediate_trusted(self) -> None:
        """An intermediate that is trusted by itself is the end of the path, and not on it."""
        chain = [self.device.certificate, self.between.certificate]
        [issued] = ClientCertificate.from_chain(chain).path
        self.assertEqual(issued.serial, self.device.certificate.serial_number)
        self.assertEqual(issued.issuer_key, key_hash(self.between.certificate))

    def test_alone(self) -> None:
        """A certificate that is trusted by itself counts as its own issuer."""
        own = self.root.certificate
        [issued] = ClientCertificate.from_chain([own]).path
        key = key_hash(own)
        self.assertEqual(issued, Issued(own.serial_number, named("root"), key, key))

    def test_description(self) -> None:
        """Logs name serial number, subject and issuer."""
        issuer = root("factory")
        device = signed("device", issuer, serial=0xA1B2C3)
        certificate = ClientCertificate.from_chain([device.certificate, issuer.certificate])
        self.assertEqual(str(certificate), "certificate A1B2C3 of CN=device by CN=factory")
        self.assertEqual(certificate.key, key_hash(device.certificate))

    def test_shared(self) -> None:
        """The name of an authority is in memory once, however many devices it has."""
        names = []
        for name in ("device", "another"):
            device = self.between.issue(name).certificate
            certificate = ClientCertificate.from_chain([device, self.between.certificate])
            names.append((certificate.path[0].issuer, certificate.issuer))
        self.assertIs(names[0][0], names[1][0])
        self.assertIs(names[0][1], names[1][1])

    def test_end(self) -> None:
        """The end of its validity is in Unix time, even in the last second of all."""
        end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        device = signed("device", self.root, until=end).certificate
        certificate = ClientCertificate.from_chain([device, self.root.certificate])
        self.assertEqual(certificate.not_after, 253402300799)


class SerialTests(SynchronousTestCase):
    """Serial numbers read as ``openssl`` writes them, so that they can be searched for."""

    def test_openssl(self) -> None:
        """The digits are those that ``openssl x509 -serial`` prints."""
        issuer = root()
        for serial in (1, 0xA, 0xA1, 0xA1B, 0x80, (1 << 159) - 1):
            device = signed("device", issuer, serial=serial).certificate
            printed = openssl("x509", "-noout", "-serial", given=pem_of(device))
            text = ClientCertificate.from_chain([device, issuer.certificate]).serial
            self.assertEqual(f"serial={text}\n", printed.decode())

    def test_odd(self) -> None:
        """Numbers that no certificate should have can be written as well."""
        self.assertEqual([serial_text(each) for each in (0, -1, -0xABC)], ["00", "-01", "-0ABC"])


class NameTests(SynchronousTestCase):
    """A device's name is whatever its maker wrote."""

    def test_plain(self) -> None:
        """A name is written as RFC 4514 has it, in any script."""
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ACME, Inc"),
                x509.NameAttribute(NameOID.COMMON_NAME, "Gerät 設備"),
            ]
        )
        self.assertEqual(loggable_name(name), "CN=Gerät 設備,O=ACME\\, Inc")

    def test_controls(self) -> None:
        """What could start a line, steer a terminal or turn text around does not reach a log."""
        evil = "a\r\nb\x1b[2J\x07\x85\u2028\u202ec"
        self.assertEqual(loggable_name(named(evil)), "CN=a??b?[2J????c")

    def test_of_certificate(self) -> None:
        """That holds for the subject and the issuer of a certificate."""
        issuer = signed(named("evil\nissuer"), None)
        device = signed(named("evil\ndevice"), issuer)
        certificate = ClientCertificate.from_chain([device.certificate, issuer.certificate])
        names = certificate.subject, certificate.issuer
        self.assertEqual(names, ("CN=evil?device", "CN=evil?issuer"))
        self.assertTrue(str(certificate).isprintable())

    def test_long(self) -> None:
        """A very long name is cut."""
        name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"{number:060}") for number in range(9)]
        )
        self.assertEqual(len(loggable_name(name)), 200)


class KeyTests(SynchronousTestCase):
    """Keys are known by a hash that anybody can compute."""

    def test_openssl(self) -> None:
        """It is the SHA-256 of what ``openssl pkey -pubin -outform DER`` writes."""
        issuer = root()
        for kind in ("ec_p256", "rsa_2048", "ed25519"):
            device = signed("device", issuer, key=KEYS[kind]()).certificate
            public = openssl("x509", "-noout", "-pubkey", given=pem_of(device))
            der = openssl("pkey", "-pubin", "-outform", "DER", given=public)
            self.assertEqual(key_hash(device), hashlib.sha256(der).digest(), kind)
