"""The zoo has in it what it says."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.certificate_zoo import ACCEPTED, kinds, write
from tests.certificates import Identity
from tests.odd_certificates import Unavailable


def identity(name: str) -> Identity:
    """Make the certificate of an accepted kind."""
    try:
        made = ACCEPTED[name]().identity
    except Unavailable as error:
        raise SkipTest(str(error)) from None
    assert made is not None
    return made


class ZooTests(SynchronousTestCase):
    """Kinds, and what is written of them."""

    def test_names(self) -> None:
        """No kind hides another one of the same name."""
        names = [name for name, _, _ in kinds()]
        self.assertEqual(len(names), len(set(names)))

    def test_version_1(self) -> None:
        """What is called version 1 is, as the recipe of Mender's documentation makes it."""
        for key in ("rsa_2048", "ec_p256", "ed25519"):
            certificate = identity(f"version_1_{key}").certificate
            self.assertIs(certificate.version, x509.Version.v1)
            self.assertEqual(len(certificate.extensions), 0)

    def test_version_3(self) -> None:
        """What merely has no extensions is still version 3."""
        self.assertIs(identity("no_extensions").certificate.version, x509.Version.v3)

    def test_files(self) -> None:
        """A device's certificate comes first in its file, and the key is its own."""
        folder = Path(self.mktemp())
        write(ACCEPTED["intermediate_sent"](), folder)
        leaf, issuer = x509.load_pem_x509_certificates((folder / "device.pem").read_bytes())
        key = load_pem_private_key((folder / "device.key").read_bytes(), None)
        [anchor] = x509.load_pem_x509_certificates((folder / "authorities.pem").read_bytes())
        self.assertEqual(key.public_key(), leaf.public_key())
        leaf.verify_directly_issued_by(issuer)
        issuer.verify_directly_issued_by(anchor)

    def test_nothing_to_show(self) -> None:
        """A device without a certificate has no file for one."""
        folder = Path(self.mktemp())
        none = next(make for name, make, _ in kinds() if name == "none")
        write(none(), folder)
        self.assertFalse((folder / "device.pem").exists())
        self.assertTrue((folder / "authorities.pem").exists())
