"""Files of operators, authorities and stores."""

from __future__ import annotations

import io
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.verification.artifact import DETAIL_LIMIT, Outcome, verify
from menderproxy.cache.verification.signature import load_verify_keys
from menderproxy.listen.blacklist import QUOTED, REMARKS, Blacklist
from menderproxy.listen.client_certificate import Issued
from menderproxy.listen.identity import CertificateError, read_certificates, read_identity
from menderproxy.listen.revocation_lists import RevocationListError, RevocationLists
from tests.cache.verification.mender_artifacts import artifact, parts, tar
from tests.certificates import root
from tests.fuzz.material import mutated, plenty
from tests.revocation_lists import NOW, revocation_list, scope

ROOT = root()
CERTIFICATE = ROOT.certificate.public_bytes(Encoding.PEM)
LISTS = (
    revocation_list(ROOT, range(1, 20), number=7),
    revocation_list(ROOT, [1], scope(users=True)) + revocation_list(ROOT, [2]),
)
BLACKLIST = (
    b"# lost in May\n0A1B2C\n0a:1b:2c CN=Factory CA,O=ACME # stolen\nserial=00ff\n"
    b"spki:%b\n0x12 CN=Line \\# 3+serialNumber=7,2.5.4.10=#0c0141" % (b"ab" * 32)
)
UNPACKED = 1 << 20


class BlacklistTests(SynchronousTestCase):
    """Blacklists."""

    def check(self, content: bytes) -> None:
        """Read one: what is wrong is told, in few and short lines, and the rest applies."""
        blacklist = Blacklist.parse(content)
        self.assertLessEqual(len(blacklist.remarks), REMARKS + 1)
        for remark in blacklist.remarks:
            self.assertTrue(remark.isprintable(), remark)
            self.assertLess(len(remark), QUOTED + 120)
        self.assertLessEqual(len(blacklist), content.count(b"\n") + 1)
        blacklist.lists(Issued(1, ROOT.certificate.subject, b"", b""))

    @plenty
    @given(mutated([BLACKLIST, CERTIFICATE]) | st.binary(max_size=40))
    def test_any(self, content: bytes) -> None:
        """Any bytes."""
        self.check(content)

    def test_marks(self) -> None:
        """A comment full of marks leaves the entry before it as it is."""
        name = x509.Name.from_rfc4514_string("CN=Factory CA")
        blacklist = Blacklist.parse(b"0A CN=Factory CA " + b"# " * 1000)
        self.assertTrue(blacklist.lists(Issued(10, name, b"", b"")))

    @plenty
    @given(st.binary(max_size=10))
    def test_serial(self, rest: bytes) -> None:
        """Anything behind a serial number."""
        self.check(b"01 CN=" + rest)


class PEMTests(SynchronousTestCase):
    """Certificates, keys and revocation lists."""

    def setUp(self) -> None:
        """Have a file, and one that is good."""
        self.path, self.good = Path(self.mktemp()), Path(self.mktemp())
        self.good.write_bytes(CERTIFICATE)

    def assert_short(self, error: Exception) -> None:
        """Assert that an error is one line that does not grow."""
        self.assertTrue(str(error).isprintable(), str(error))
        self.assertLess(len(str(error)), 400 + 2 * len(str(self.path)))

    @plenty
    @given(mutated([CERTIFICATE, ROOT.key_pem, *LISTS]) | st.binary(max_size=40))
    def test_certificates(self, content: bytes) -> None:
        """Any bytes for certificates and keys."""
        self.path.write_bytes(content)
        try:
            read_certificates("label", str(self.path))
            read_identity(str(self.good), str(self.path))
        except CertificateError as error:
            self.assert_short(error)
        try:
            load_verify_keys([str(self.path)])
        except ValueError as error:
            self.assert_short(error)

    @plenty
    @given(mutated([*LISTS, CERTIFICATE]) | st.binary(max_size=40))
    def test_lists(self, content: bytes) -> None:
        """Any bytes for revocation lists."""
        self.check(content)

    @plenty
    @given(mutated([x509.load_pem_x509_crl(LISTS[0]).public_bytes(Encoding.DER)]))
    def test_binary_lists(self, content: bytes) -> None:
        """Any bytes that resemble a list without PEM around it."""
        self.check(content)

    def check(self, content: bytes) -> None:
        """Read lists: an error that names the file, or lists that can be asked."""
        try:
            lists = RevocationLists.load([(str(self.path), content)], [ROOT.certificate])
        except RevocationListError as error:
            self.assert_short(error)
            self.assertIn(str(self.path), str(error))
        else:
            lists.status(Issued(1, ROOT.certificate.subject, b"", b""), NOW)
            self.assertTrue(all(line.isprintable() for line in lists.overdue(NOW)))


class _Counted(io.BytesIO):
    """A file that counts what is read of it."""

    def __init__(self, data: bytes):
        super().__init__(data)
        self.taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


class ArtifactTests(SynchronousTestCase):
    """Artifacts of stores."""

    def check(self, content: bytes) -> None:
        """Verify one: nothing but a short verdict comes of it, and each byte is read once."""
        file = _Counted(content)
        verification = verify(file, unpacked_limit=UNPACKED)
        self.assertIsInstance(verification.outcome, Outcome)
        self.assertLessEqual(len(verification.detail), DETAIL_LIMIT)
        self.assertTrue(verification.detail.isprintable(), verification.detail)
        self.assertLessEqual(file.taken, len(content))
        self.assertFalse(verification.signed)

    @plenty
    @given(mutated([artifact(parts(suffix)) for suffix in ("", ".gz", ".xz")]))
    def test_damaged(self, content: bytes) -> None:
        """Artifacts with damage."""
        self.check(content)

    @plenty
    @given(mutated([tar([("version", b'{"format":"mender","version":3}'), ("manifest", b"x")])]))
    def test_any(self, content: bytes) -> None:
        """Archives of any kind."""
        self.check(content)

    @plenty
    @given(
        mutated([b'{"format":"mender","version":3}', b"0" * 64 + b"  version\n"]),
        mutated([b"0" * 64 + b"  version\n" + b"1" * 64 + b"  header.tar\n"]),
        st.text(max_size=20).filter(lambda name: "\0" not in name and name.isprintable()),
    )
    def test_parts(self, version: bytes, manifest: bytes, name: str) -> None:
        """Archives that are sound, with parts that are not."""
        self.check(tar([("version", version), ("manifest", manifest), (name or "x", b"")]))
