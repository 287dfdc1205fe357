"""Files that TLS depends on: what is said of those that can't be used, and what goes on then."""

from __future__ import annotations

import shutil
from pathlib import Path

import attrs
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.credentials import CredentialFiles, Credentials
from menderproxy.listen.identity import CertificateError
from menderproxy.listen.refusal import Reason
from tests.certificates import Identity, root
from tests.listen.testcase import CredentialsTestCase
from tests.odd_certificates import revocation_list

KEPT = "what it said before remains in force"


class FilesTests(SynchronousTestCase):
    """Which files there are."""

    def test_paths(self) -> None:
        """Only what is configured is looked at."""
        files = CredentialFiles(certificate="a", key="b")
        self.assertEqual(files.paths, ("a", "b"))
        files = attrs.evolve(files, authorities="c", blacklist="d", revocation_lists="e")
        self.assertEqual(files.paths, ("a", "b", "c", "d", "e"))


class FirstReadingTests(CredentialsTestCase):
    """At the start there is nothing to keep to."""

    def refusal(self, **changes: str) -> str:
        """Give the line that says why files are no use."""
        line = str(self.assertRaises(CertificateError, self.read, **changes))
        self.assertNotIn("\n", line)
        return line

    def test_all(self) -> None:
        """All files are read, and nothing is said of good ones."""
        credentials = self.read()
        self.assertEqual(credentials.identity.chain, (self.server.certificate,))
        assert credentials.authorities is not None
        self.assertEqual(credentials.authorities.certificates, (self.authority.certificate,))
        self.assertEqual(credentials.blacklist, Blacklist.parse(b"A1"))
        self.assertEqual(self.reason(credentials), None)
        self.assertEqual(self.reason(credentials, self.revoked), Reason.REVOKED)
        self.assertEqual(credentials.problems, ())

    def test_server_only(self) -> None:
        """Where devices need no certificates, there is nothing else to read."""
        credentials = self.read(authorities="", blacklist="", revocation_lists="")
        self.assertEqual(credentials.authorities, None)
        self.assertEqual((credentials.blacklist, credentials.lists), (Blacklist.parse(b""), None))
        self.assertEqual(self.reason(credentials, self.revoked), None)

    def test_secret(self) -> None:
        """The key shows in nothing that credentials print as."""
        text = repr(self.read())
        self.assertNotIn("key=", text)
        self.assertNotIn("options=", text)

    def test_missing(self) -> None:
        """A file that is not there is named, and the setting that names it."""
        for name, setting in (
            ("certificate", "HTTPS.ServerCertificate"),
            ("key", "HTTPS.ServerKey"),
            ("authorities", "Features.mTLS.CACertificate"),
            ("blacklist", "Features.mTLS.BlacklistPath"),
        ):
            line = self.refusal(**{name: "/nowhere"})
            self.assertEqual(line, f"{setting}: /nowhere: No such file or directory")

    def test_directory(self) -> None:
        """A directory is no file, except that lists may be in one."""
        line = self.refusal(blacklist=str(self.folder))
        self.assertEqual(line, f"Features.mTLS.BlacklistPath: {self.folder}: Is a directory")

    def test_garbage(self) -> None:
        """A file with something else in it is not taken."""
        path = self.path("garbage")
        for content in (b"", b"garbage", self.server.key_pem):
            self.write("garbage", content)
            why = f"{path}: not a PEM certificate"
            line = self.refusal(certificate=path)
            self.assertEqual(line, f"HTTPS.ServerCertificate: {why}")
            line = self.refusal(authorities=path)
            self.assertEqual(line, f"Features.mTLS.CACertificate: {why}")
            line = self.refusal(revocation_lists=path)
            why = f"{path}: not a certificate revocation list"
            self.assertEqual(line, f"Features.mTLS.CRLPath: {why}")

    def test_other_key(self) -> None:
        """The key has to be that of the certificate."""
        self.write("server.key", self.server_of("other").key_pem)
        line = self.refusal()
        self.assertIn(f"HTTPS.ServerKey: {self.files.key}: not the key of", line)

    def test_weak_key(self) -> None:
        """A key that OpenSSL does not want is told by its certificate's file."""
        self.show(self.authority.issue("weak", key=rsa.generate_private_key(65537, 1024)))
        line = self.refusal()
        self.assertIn(f"HTTPS.ServerCertificate: {self.files.certificate}: ", line)
        self.assertIn("too small", line)

    def test_truncated_list(self) -> None:
        """Half a list would be one that has fewer revoked certificates."""
        content = Path(self.files.revocation_lists).read_bytes()
        self.write("lists.pem", content[: len(content) // 2])
        line = self.refusal()
        self.assertIn(f"Features.mTLS.CRLPath: {self.files.revocation_lists}: ", line)
        self.assertIn("has no end", line)

    def test_list_of_stranger(self) -> None:
        """A list has to be signed by one of the authorities in the bundle."""
        self.write("lists.pem", revocation_list(root("stranger")))
        line = self.refusal()
        self.assertIn(f"Features.mTLS.CRLPath: {self.files.revocation_lists}: ", line)
        self.assertIn("CN=stranger", line)

    def test_no_lists_yet(self) -> None:
        """Lists may be fetched only after the start: until then the policy decides."""
        for path, why in (
            ("/nowhere", "No such file or directory"),
            (f"/{'n' * 300}", "File name too long"),
        ):
            for strict, reason in ((True, Reason.NO_REVOCATION_LIST), (False, None)):
                credentials = self.read(revocation_lists=path, strict=strict)
                self.assertEqual(self.reason(credentials), reason)
                self.assertEqual(credentials.problems, (f"Features.mTLS.CRLPath: {path}: {why}",))

    def test_still_no_lists(self) -> None:
        """While there never were any, nothing is said to remain in force."""
        first = self.read(revocation_lists="/nowhere")
        self.assertEqual(self.read(first, revocation_lists="/nowhere").problems, first.problems)

    def test_lists_arrive(self) -> None:
        """Lists that come after the start are in force."""
        first = self.read(revocation_lists="/nowhere")
        credentials = self.read(first)
        self.assertEqual((self.reason(credentials), credentials.problems), (None, ()))
        self.assertEqual(self.reason(credentials, self.revoked), Reason.REVOKED)


class LaterReadingTests(CredentialsTestCase):
    """What can't be used later leaves in force what there was, file by file."""

    def setUp(self) -> None:
        """Read the files, and write others in their places."""
        super().setUp()
        self.last = self.read()
        self.other_authority = root("other factory")
        self.other_server = self.server_of("renewed")
        self.show(self.other_server)
        self.trust(self.authority, self.other_authority)
        self.write("blacklist", b"B2\n")
        self.write("lists.pem", revocation_list(self.authority, self.revoked, self.device))

    def parts(self, credentials: Credentials) -> dict[str, object]:
        """Take credentials apart."""
        return {
            "identity": credentials.identity,
            "authorities": credentials.authorities,
            "blacklist": credentials.blacklist,
            "lists": credentials.lists,
        }

    def assert_kept(self, part: str, problem: str) -> None:
        """Check that one part remains, that it is said why, and that all others are new."""
        credentials = self.read(self.last)
        last, now = self.parts(self.last), self.parts(credentials)
        self.assertEqual([name for name in now if now[name] == last[name]], [part])
        self.assertTrue(credentials.kept)
        [line] = credentials.problems
        self.assertNotIn("\n", line)
        self.assertTrue(line.startswith(problem), line)
        self.assertTrue(line.endswith(KEPT), line)

    def test_all_good(self) -> None:
        """All parts are new when nothing is wrong."""
        credentials = self.read(self.last)
        last, now = self.parts(self.last), self.parts(credentials)
        self.assertEqual([name for name in now if now[name] == last[name]], [])
        self.assertEqual((credentials.problems, credentials.kept), ((), False))
        self.assertEqual(self.reason(credentials), Reason.REVOKED)

    def test_certificate_half_written(self) -> None:
        """The server's certificate remains until the new one is complete."""
        self.write("server.pem", self.other_server.chain_pem[:300])
        self.assert_kept("identity", f"HTTPS.ServerCertificate: {self.files.certificate}: ")

    def test_key_of_another_certificate(self) -> None:
        """The server's certificate and key change together or not at all."""
        self.write("server.key", self.server.key_pem)
        self.assert_kept("identity", f"HTTPS.ServerKey: {self.files.key}: not the key of")

    def test_weak_key(self) -> None:
        """A key that OpenSSL does not want is no reason to leave the authorities as they were."""
        self.show(self.authority.issue("weak", key=rsa.generate_private_key(65537, 1024)))
        self.assert_kept("identity", f"HTTPS.ServerCertificate: {self.files.certificate}: ")

    def test_empty_bundle(self) -> None:
        """A bundle that has just been opened for writing shuts nobody out."""
        self.write("authorities.pem", b"")
        path = self.files.authorities
        self.assert_kept("authorities", f"Features.mTLS.CACertificate: {path}: ")

    def test_no_blacklist(self) -> None:
        """A blacklist that is gone still counts."""
        path = Path(self.files.blacklist)
        path.unlink()
        self.assert_kept("blacklist", f"Features.mTLS.BlacklistPath: {path}: No such file")
        path.mkdir()
        self.assert_kept("blacklist", f"Features.mTLS.BlacklistPath: {path}: Is a directory")

    def test_list_half_written(self) -> None:
        """A list counts until the new one is complete."""
        self.write("lists.pem", revocation_list(self.authority)[:200])
        path = self.files.revocation_lists
        self.assert_kept("lists", f"Features.mTLS.CRLPath: {path}: ")

    def test_no_lists(self) -> None:
        """Lists that are gone still count."""
        path = Path(self.files.revocation_lists)
        path.unlink()
        self.assert_kept("lists", f"Features.mTLS.CRLPath: {path}: No such file")

    def test_everything_gone(self) -> None:
        """When the whole volume is gone, everything remains in force."""
        shutil.rmtree(self.folder)
        credentials = self.read(self.last)
        self.assertEqual(self.parts(credentials), self.parts(self.last))
        self.assertEqual(len(credentials.problems), 4)

    def test_kept_again(self) -> None:
        """What was kept once is kept as long as it has to be."""
        self.write("lists.pem", b"")
        kept = self.read(self.last)
        again = self.read(kept)
        self.assertEqual(again.problems, kept.problems)
        self.assertEqual(self.reason(again, self.revoked), Reason.REVOKED)

    def test_options(self) -> None:
        """TLS is made of what is in force: what is kept, and what is new."""
        self.write("server.pem", b"")
        credentials = self.read(self.last)
        self.assertIsNot(credentials.options, self.last.options)
        shown = credentials.options.certificate
        assert shown is not None
        self.assertEqual(shown.to_cryptography(), self.server.certificate)
        self.assertIs(credentials.options.trustRoot, credentials.authorities)

    def test_new_authority_and_its_list(self) -> None:
        """A bundle may change together with the list that only its new authority vouches for."""
        self.trust(self.other_authority)
        self.write("lists.pem", revocation_list(self.other_authority))
        credentials = self.read(self.last)
        self.assertEqual(credentials.problems, ())
        device = attrs.evolve(
            self.other_authority.issue("device"), issuers=(self.other_authority.certificate,)
        )
        self.assertEqual(self.reason(credentials, device), None)
        self.assertEqual(self.reason(self.last, device), Reason.NO_REVOCATION_LIST)

    def test_junk_in_blacklist(self) -> None:
        """Lines that can't be read are told, and the others apply."""
        self.write("blacklist", b"A1\nrubbish\nB2\n")
        credentials = self.read(self.last)
        self.assertEqual(credentials.blacklist.serials, {0xA1, 0xB2})
        where = f"Features.mTLS.BlacklistPath: {self.files.blacklist}: line 2: 'rubbish': "
        [problem] = credentials.problems
        self.assertTrue(problem.startswith(where), problem)


class DirectoryTests(CredentialsTestCase):
    """Revocation lists may be files of a directory."""

    def setUp(self) -> None:
        """Make a directory with a list, and trust a second authority."""
        super().setUp()
        self.other = root("other factory")
        self.trust(self.authority, self.other)
        self.lists = self.folder / "lists"
        self.lists.mkdir()
        (self.lists / "factory.pem").write_bytes(revocation_list(self.authority, self.revoked))
        self.files = attrs.evolve(self.files, revocation_lists=str(self.lists))

    def of_other(self) -> Identity:
        """A device of the second authority."""
        return attrs.evolve(self.other.issue("device"), issuers=(self.other.certificate,))

    def test_several_issuers(self) -> None:
        """Each authority may have a file of its own."""
        device = self.of_other()
        self.assertEqual(self.reason(self.read(), device), Reason.NO_REVOCATION_LIST)
        (self.lists / "other.pem").write_bytes(revocation_list(self.other))
        credentials = self.read()
        self.assertEqual(self.reason(credentials, device), None)
        self.assertEqual(self.reason(credentials, self.revoked), Reason.REVOKED)

    def test_hidden(self) -> None:
        """Hidden files may be half written: they are passed over, and so are directories."""
        (self.lists / ".factory.pem.part").write_bytes(b"half")
        (self.lists / "archive").mkdir()
        (self.lists / "archive" / "old.pem").write_bytes(b"garbage")
        self.assertEqual(self.reason(self.read()), None)

    def test_links(self) -> None:
        """Kubernetes mounts a ConfigMap as links into a hidden directory, which is replaced."""
        (self.lists / "factory.pem").rename(self.folder / "factory.pem")
        version = self.lists / "..2026_01_02"
        version.mkdir()
        (self.folder / "factory.pem").rename(version / "factory.pem")
        (self.lists / "..data").symlink_to(version.name)
        (self.lists / "factory.pem").symlink_to("..data/factory.pem")
        self.assertEqual(self.reason(self.read(), self.revoked), Reason.REVOKED)

    def test_replaced(self) -> None:
        """A file is replaced by a newer one of the same name."""
        last = self.read()
        newer = self.folder / "newer"
        newer.write_bytes(revocation_list(self.authority, self.revoked, self.device))
        newer.rename(self.lists / "factory.pem")
        self.assertEqual(self.reason(self.read(last)), Reason.REVOKED)

    def test_damaged(self) -> None:
        """One file that can't be used leaves all lists as they were."""
        last = self.read()
        (self.lists / "other.pem").write_bytes(b"half")
        credentials = self.read(last)
        self.assertEqual(credentials.lists, last.lists)
        [problem] = credentials.problems
        self.assertIn(f"Features.mTLS.CRLPath: {self.lists / 'other.pem'}: ", problem)

    def test_dangling_link(self) -> None:
        """A link to nothing is a file that is not there, and not one that nobody misses."""
        last = self.read()
        (self.lists / "factory.pem").unlink()
        (self.lists / "factory.pem").symlink_to("..data/factory.pem")
        self.assertEqual(self.reason(self.read(last), self.revoked), Reason.REVOKED)

    def test_gone(self) -> None:
        """Lists whose directory is gone still count."""
        last = self.read()
        shutil.rmtree(self.lists)
        credentials = self.read(last)
        self.assertEqual(self.reason(credentials, self.revoked), Reason.REVOKED)
        self.assertEqual(len(credentials.problems), 1)
