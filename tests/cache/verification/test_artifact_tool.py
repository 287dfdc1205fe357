"""Tests of verification with artifacts that the official ``mender-artifact`` made."""

from __future__ import annotations

import random
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.verification.artifact import Outcome, Verification, load_verify_keys, verify

from .artifact_tool import REASON_TO_SKIP, run

PAYLOAD = random.Random(1).randbytes(100_000) + bytes(100_000)
MODULE_IMAGE = ("module-image", "-T", "single-file")
GOOD = Verification(Outcome.GOOD, "all is as its manifest says", "release-1")


class ToolTests(SynchronousTestCase):
    """The tool and we agree."""

    skip = REASON_TO_SKIP

    def setUp(self) -> None:
        """Make a place for files."""
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.payload = self.directory / "firmware.bin"
        self.payload.write_bytes(PAYLOAD)
        self.path = self.directory / "release.mender"

    def write(self, *kind: str, compression: str = "gzip", name: str = "release-1") -> None:
        """Make an artifact."""
        files = ("-f", str(self.payload), "-o", str(self.path))
        arguments = ("-n", name, "-t", "device", *files)
        status = run("--compression", compression, "write", *kind, *arguments)
        self.assertEqual(status, 0)

    def verify(self, *keys: str) -> Verification:
        """Verify the artifact."""
        with self.path.open("rb") as file:
            return verify(file, load_verify_keys(keys))

    def key_pair(self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> tuple[str, str]:
        """Write a key to files, in the form that the tool knows; return private and public path."""
        private, public = self.directory / "private.pem", self.directory / "public.pem"
        private_form = PrivateFormat.TraditionalOpenSSL
        private.write_bytes(key.private_bytes(Encoding.PEM, private_form, NoEncryption()))
        public_form = PublicFormat.SubjectPublicKeyInfo
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, public_form))
        return str(private), str(public)

    def test_compressions(self) -> None:
        """Artifacts with each compression are good."""
        for compression in ("gzip", "lzma", "none"):
            self.write(*MODULE_IMAGE, compression=compression)
            self.assertEqual(self.verify(), GOOD)

    def test_root_filesystem(self) -> None:
        """Images of root file systems are good, in both versions of the format."""
        for version in ("2", "3"):
            self.write("rootfs-image", "-v", version)
            self.assertEqual(self.verify(), GOOD)

    def test_augmented(self) -> None:
        """An artifact with files that the signature leaves out is good."""
        extra = self.directory / "delta"
        extra.write_bytes(b"delta")
        self.write(*MODULE_IMAGE, "--augment-type", "delta", "--augment-file", str(extra))
        self.assertEqual(self.verify(), GOOD)

    def test_no_payload(self) -> None:
        """An artifact that only states what is installed is good."""
        arguments = ("-n", "release-1", "-t", "device", "-o", str(self.path))
        self.assertEqual(run("write", "bootstrap-artifact", *arguments), 0)
        self.assertEqual(self.verify(), GOOD)

    def test_signed(self) -> None:
        """Signatures with both kinds of keys are accepted, made while writing or afterwards."""
        for key in (
            rsa.generate_private_key(65537, 2048),
            ec.generate_private_key(ec.SECP256R1()),
        ):
            private, public = self.key_pair(key)
            self.write(*MODULE_IMAGE, "-k", private)
            self.assertTrue(self.verify(public).signed)
            self.write(*MODULE_IMAGE)
            self.assertIs(self.verify(public).outcome, Outcome.BAD)
            self.assertEqual(run("sign", "-k", private, str(self.path)), 0)
            self.assertIs(self.verify(public).outcome, Outcome.GOOD)

    def test_other_key(self) -> None:
        """A signature by somebody else is refused, as the tool does."""
        private, _ = self.key_pair(ec.generate_private_key(ec.SECP256R1()))
        self.write(*MODULE_IMAGE, "-k", private)
        _, public = self.key_pair(ec.generate_private_key(ec.SECP256R1()))
        self.assertNotEqual(run("validate", "-k", public, str(self.path)), 0)
        self.assertIs(self.verify(public).outcome, Outcome.BAD)

    def test_flipped(self) -> None:
        """A bit flipped in the middle of the payload is noticed, as the tool does."""
        for compression in ("gzip", "lzma", "none"):
            self.write(*MODULE_IMAGE, compression=compression)
            self.assertEqual(run("validate", str(self.path)), 0)
            data = bytearray(self.path.read_bytes())
            data[len(data) // 3] ^= 1
            self.path.write_bytes(data)
            self.assertNotEqual(run("validate", str(self.path)), 0)
            self.assertIs(self.verify().outcome, Outcome.BAD)

    def test_cut(self) -> None:
        """An artifact that lacks its last part is noticed."""
        for compression in ("gzip", "lzma", "none"):
            self.write(*MODULE_IMAGE, compression=compression)
            data = self.path.read_bytes()
            for lost in (1, 1024, len(data) // 2):
                self.path.write_bytes(data[:-lost])
                self.assertIs(self.verify().outcome, Outcome.BAD)
