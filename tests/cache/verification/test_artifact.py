"""Tests of the verification of Mender artifacts, with artifacts of our own making."""

from __future__ import annotations

import io
import json
import tarfile

from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.verification.artifact import Outcome, PublicKey, Verification, verify

from .mender_artifacts import (
    FILES,
    artifact,
    header_info,
    listing,
    parts,
    rewritten,
    special,
    tar,
)
from .signing import raw_ecdsa

SUFFIXES = ("", ".gz", ".xz")
KEY = ec.generate_private_key(ec.SECP256R1())


def judge(data: bytes, *keys: PublicKey, unpacked_limit: int = 1 << 20) -> Verification:
    """Verify bytes."""
    return verify(io.BytesIO(data), keys, unpacked_limit=unpacked_limit)


class Trickle(io.BytesIO):
    """A file that gives few bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return seven bytes at most."""
        return super().read(7 if size is None or size < 0 else min(size, 7))


class Unreadable(io.BytesIO):
    """A file on a broken disk."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Fail."""
        raise OSError("broken disk")


class GoodTests(SynchronousTestCase):
    """What is accepted."""

    def test_compressions(self) -> None:
        """An artifact is good with each compression that can be undone here."""
        for suffix in SUFFIXES:
            verification = judge(artifact(parts(suffix)))
            self.assertEqual(
                verification,
                Verification(Outcome.GOOD, "all is as its manifest says", "release-1"),
            )

    def test_version_2(self) -> None:
        """An artifact in format version 2, which keeps its name elsewhere, is good."""
        verification = judge(artifact(parts(version=2)))
        self.assertEqual(
            (verification.outcome, verification.artifact_name), (Outcome.GOOD, "release-1")
        )

    def test_no_files(self) -> None:
        """A payload may be empty, and may be missing altogether."""
        made = parts(files={})
        self.assertIs(judge(artifact(made)).outcome, Outcome.GOOD)
        del made["data/0000.tar.gz"]
        self.assertIs(judge(artifact(made)).outcome, Outcome.GOOD)

    def test_several_payloads(self) -> None:
        """Each file is looked up in the directory of its own payload."""
        made = parts("")
        made["manifest"] += listing([("data/0001/firmware.bin", b"other")])
        made["data/0001.tar"] = tar([("firmware.bin", b"other")])
        self.assertIs(judge(artifact(made)).outcome, Outcome.GOOD)
        made["data/0001.tar"] = made["data/0000.tar"]
        self.assertIs(judge(artifact(made)).outcome, Outcome.BAD)

    def test_augmented(self) -> None:
        """Files that only the unsigned manifest lists belong to the artifact."""
        made = parts(augment={"delta": b"d"})
        self.assertIs(judge(artifact(made)).outcome, Outcome.GOOD)

    def test_zeros_after_the_end(self) -> None:
        """Zeros after the end mark are how tar fills up a record."""
        self.assertIs(judge(artifact(parts()) + bytes(5000)).outcome, Outcome.GOOD)

    def test_short_reads(self) -> None:
        """A file may give fewer bytes than it was asked for."""
        for suffix in SUFFIXES:
            self.assertIs(verify(Trickle(artifact(parts(suffix)))).outcome, Outcome.GOOD)

    def test_hostile_name(self) -> None:
        """A name that would garble or flood a log is left out."""
        for name in ("a\nb", "x" * 2000):
            made = parts(header=tar([("header-info", header_info(name))]))
            verification = judge(artifact(made))
            found = (verification.outcome, verification.artifact_name)
            self.assertEqual(found, (Outcome.GOOD, ""))


class NotMenderTests(SynchronousTestCase):
    """What is something else."""

    def test_something_else(self) -> None:
        """Neither other files nor other archives are called bad."""
        for data in (
            b"",
            b"\x1f\x8b not even gzip",
            bytes(2048),
            tar([]),
            tar([("README", parts()["version"])]),
            tar([("version", b"1.0\n")]),
            tar([("version", b"3")]),
            tar([("version", b"[" * 4000)]),
            tar([("version", b'{"format": "debian", "version": 3}')]),
            tar([("version", b'{"format": "mender", "version": 3}' + b" " * 5000)]),
        ):
            self.assertIs(judge(data).outcome, Outcome.NOT_MENDER)

    def test_unreadable(self) -> None:
        """A file that can't be read is nobody's fault: the error goes to the caller."""
        self.assertRaises(OSError, verify, Unreadable())


class UncheckedTests(SynchronousTestCase):
    """What can't be judged."""

    def test_zstd(self) -> None:
        """An artifact with a compression unknown here is neither good nor bad."""
        verification = judge(artifact(parts(".zst")))
        self.assertIs(verification.outcome, Outcome.UNCHECKED)
        self.assertIn("data/0000.tar.zst: no way to unpack .zst", verification.detail)

    def test_zstd_header(self) -> None:
        """What can be checked of it still is: a wrong header is bad."""
        made = parts(".zst")
        made["header.tar.zst"] += b"x"
        self.assertIs(judge(artifact(made)).outcome, Outcome.BAD)

    def test_zstd_header_only(self) -> None:
        """With a header that can't be unpacked, the payload is compared all the same."""
        made = parts(".zst")
        del made["data/0000.tar.zst"]
        made["data/0000.tar"] = parts("")["data/0000.tar"]
        self.assertIs(judge(artifact(made)).outcome, Outcome.UNCHECKED)
        made["data/0000.tar"] = parts("", files={"firmware.bin": b"other"})["data/0000.tar"]
        self.assertIs(judge(artifact(made)).outcome, Outcome.BAD)

    def test_zstd_other_payload(self) -> None:
        """Only the files of the payload that can't be unpacked are excused."""
        made = parts(".zst")
        made["manifest"] += listing([("data/0001/more", b"")])
        self.assertIs(judge(artifact(made)).outcome, Outcome.BAD)

    def test_newer_version(self) -> None:
        """A format version that came after us can't be judged, unless a signature is demanded."""
        data = artifact(parts(version=4))
        self.assertIs(judge(data).outcome, Outcome.UNCHECKED)
        self.assertIs(judge(data, KEY.public_key()).outcome, Outcome.BAD)


class BadTests(SynchronousTestCase):
    """What no device should get."""

    def assert_bad(self, data: bytes, reason: str, unpacked_limit: int = 1 << 20) -> None:
        """Fail unless an artifact is bad for a reason."""
        verification = judge(data, unpacked_limit=unpacked_limit)
        self.assertEqual((verification.outcome, reason), (Outcome.BAD, verification.detail))

    def test_other_bytes(self) -> None:
        """Other bytes of version, header or payload than the manifest says are noticed."""
        version = b'{"version": 3, "format": "mender"}'
        header = tar([("header-info", header_info("release-2"))])
        payload = tar([("firmware.bin", b"other"), ("empty", b"")])
        for part, made, covered in (
            ("version", {"version": version}, "version"),
            ("header.tar", {"header.tar": header}, "header.tar"),
            ("data/0000.tar", {"data/0000.tar": payload}, "data/0000/firmware.bin"),
        ):
            self.assertNotEqual(parts("")[part], made[part])
            self.assert_bad(
                artifact(parts("") | made), f"'{covered}' is not what the manifest says"
            )

    def test_unlisted_file(self) -> None:
        """A file in a payload that no manifest lists is not let through."""
        payload = tar([*FILES.items(), ("extra", b"")])
        self.assert_bad(
            artifact(parts(payload=payload)), "'data/0000/extra' is not in the manifest"
        )

    def test_missing_file(self) -> None:
        """A listed file must be there."""
        payload = tar([("empty", b"")])
        reason = "the manifest lists 'data/0000/firmware.bin', which is not there"
        self.assert_bad(artifact(parts(payload=payload)), reason)
        made = parts()
        del made["data/0000.tar.gz"]
        self.assert_bad(artifact(made), "the manifest lists 'data/0000/empty', which is not there")

    def test_directory_in_payload(self) -> None:
        """A payload has no directories, listed or not."""
        made = parts("", files={"d/": b""}, payload=special("d/", tarfile.DIRTYPE))
        self.assert_bad(artifact(made), "'data/0000.tar' has the directory 'd/' in it")

    def test_missing_parts(self) -> None:
        """Manifest and header must be there."""
        for part, what in (("manifest", "manifest"), ("header.tar.gz", "header")):
            made = parts()
            del made[part]
            self.assert_bad(artifact(made), f"there is no {what} in its place")

    def test_order(self) -> None:
        """Files must come in the order that lets a device check before it installs."""
        names = ["version", "manifest", "data/0000.tar.gz", "header.tar.gz"]
        made = parts()
        self.assert_bad(
            tar((name, made[name]) for name in names), "there is no header in its place"
        )

    def test_stray_file(self) -> None:
        """A file that the format does not know is not let through."""
        for stray in ("data/0000.tar.bz2", "data/1.tar", "README", "data/0000.tar.gz.sig"):
            made = parts() | {stray: b""}
            self.assert_bad(artifact(made), f"'{stray}' has no place there")

    def test_directory(self) -> None:
        """A directory with the name of a file is not that file."""
        data = artifact(parts(sign=lambda manifest: b""))
        header = data.index(b"manifest.sig\0")
        data = rewritten(data, 156, tarfile.DIRTYPE, header=header)
        self.assert_bad(data, "there is no header in its place")

    def test_duplicates(self) -> None:
        """Nothing may be there twice: readers would disagree about which one counts."""
        made = parts("")
        twice = [*made.items(), ("data/0000.tar", made["data/0000.tar"])]
        self.assert_bad(tar(twice), "'data/0000.tar' is there twice")
        again = made | {"data/0000.tar.gz": parts(files={})["data/0000.tar.gz"]}
        self.assert_bad(artifact(again), "'data/0000' is there twice")
        payload = tar([*FILES.items(), ("empty", b"")])
        self.assert_bad(artifact(parts("", payload=payload)), "'empty' is there twice")
        made["manifest"] += listing([("version", b"")])
        self.assert_bad(artifact(made), "manifest lists 'version' twice")

    def test_garbled_manifest(self) -> None:
        """A manifest has lines as sha256sum writes them, and nothing else."""
        for line in (b"A" * 64 + b"  x\n", b"0" * 64 + b" x\n", b"x\n", b"\n"):
            made = parts()
            made["manifest"] += line
            self.assert_bad(artifact(made), "manifest has a garbled line")
        made["manifest"] = parts()["manifest"][:-1]
        self.assert_bad(artifact(made), "manifest breaks off in a line")

    def test_augment_oversteps(self) -> None:
        """The unsigned manifest may neither replace nor add what only a signed one may list."""
        for path in ("data/0000/empty", "version", "header.tar.xz", "scripts"):
            made = parts(augment={})
            made["manifest-augment"] += listing([(path, b"")])
            self.assert_bad(artifact(made), f"manifest-augment must not speak of '{path}'")

    def test_half_augment(self) -> None:
        """A manifest without its header, or a header without its manifest, is refused."""
        made = parts(augment={})
        header = made.pop("header-augment.tar.gz")
        self.assert_bad(artifact(made), "there is no header-augment in its place")
        made = parts()
        payload = made.pop("data/0000.tar.gz")
        made |= {"header-augment.tar.gz": header, "data/0000.tar.gz": payload}
        self.assert_bad(artifact(made), "'header-augment.tar.gz' has no place there")

    def test_augment_version_2(self) -> None:
        """Format version 2 has no unsigned manifest."""
        made = parts(version=2, augment={})
        self.assert_bad(artifact(made), "there is no header in its place")

    def test_header_info(self) -> None:
        """A header begins with a JSON object that says what is in the artifact."""
        for header, reason in (
            (tar([]), "a header does not begin with header-info"),
            (tar([("scripts/x", b"")]), "a header does not begin with header-info"),
            (tar([("header-info", b"[]")]), "header-info is not a JSON object"),
            (tar([("header-info", b"[" * 100_000)]), "header-info is not JSON"),
            (tar([("header-info", b"\xff")]), "header-info is not JSON"),
        ):
            self.assert_bad(artifact(parts(header=header)), reason)

    def test_version_not_a_number(self) -> None:
        """A format version must be a number."""
        for version in ("3", True, None, 3.0):
            made = parts() | {
                "version": json.dumps({"format": "mender", "version": version}).encode()
            }
            self.assert_bad(artifact(made), "its format version is not a number")

    def test_truncated(self) -> None:
        """What is cut off anywhere after the version is bad, even in the end mark."""
        for suffix in SUFFIXES:
            data = artifact(parts(suffix))
            end = len(data.rstrip(b"\0")) + 1024
            for length in (*range(1024, end, 512), *range(1100, end, 700)):
                verification = judge(data[:length])
                self.assertIs(verification.outcome, Outcome.BAD, (length, verification))

    def test_trailing_garbage(self) -> None:
        """Anything but zeros after the end is bad."""
        reason = "something comes after the archive's end"
        self.assert_bad(artifact(parts()) + bytes(600_000) + b"x", reason)
        made = parts("", payload=tar(FILES.items()) + b"x")
        self.assert_bad(artifact(made), reason)

    def test_bomb(self) -> None:
        """All that is unpacked counts towards one limit."""
        for suffix in (".gz", ".xz"):
            made = parts(suffix, files={"zeros": bytes(100_000)})
            unpacked = len(tar([("zeros", bytes(100_000))])) + 10240
            self.assertLess(len(artifact(made)), 20_000)
            self.assertIs(judge(artifact(made), unpacked_limit=unpacked).outcome, Outcome.GOOD)
            limit = unpacked - 1
            self.assert_bad(artifact(made), f"it unpacks to more than {limit} bytes", limit)

    def test_long_parts(self) -> None:
        """What has to be held in memory has a limit."""
        for part, limit in (("manifest", 1 << 20), ("manifest-augment", 1 << 20)):
            made = parts(augment={})
            made[part] += b"x" * limit
            self.assert_bad(artifact(made), f"'{part}' is longer than {limit} bytes")
        header = tar([("header-info", header_info() + b" " * (1 << 20))])
        reason = "'header-info' is longer than 1048576 bytes"
        self.assert_bad(artifact(parts("", header=header)), reason)
        data = artifact(parts(sign=lambda manifest: b"A" * (16 * 1024 + 1)))
        self.assertIn("is longer than 16384 bytes", judge(data, KEY.public_key()).detail)

    def test_detail(self) -> None:
        """A hostile name can neither break the line of a reason nor flood it."""
        made = parts()
        made["manifest"] += listing([("data/\r\x1b[31m\udcff" + "x" * 10_000, b"")])
        for data in (artifact(made), special("\x1b" * 99, tarfile.SYMTYPE)):
            detail = judge(data).detail
            self.assertTrue(detail.isprintable() and len(detail) == 300, detail)


class SignatureTests(SynchronousTestCase):
    """What keys change."""

    def test_signed(self) -> None:
        """An artifact that one of the keys signed is good and said to be signed."""
        other = ec.generate_private_key(ec.SECP256R1()).public_key()
        data = artifact(parts(sign=lambda manifest: raw_ecdsa(KEY, manifest)))
        verification = judge(data, other, KEY.public_key())
        self.assertEqual((verification.outcome, verification.signed), (Outcome.GOOD, True))
        self.assertFalse(judge(data).signed)

    def test_unsigned(self) -> None:
        """With keys, an artifact without a signature is bad."""
        verification = judge(artifact(parts()), KEY.public_key())
        self.assertEqual(verification, Verification(Outcome.BAD, "it is not signed"))

    def test_wrong_signature(self) -> None:
        """With keys, a signature of something else or of somebody else is bad; without, ignored."""
        for sign in (
            lambda manifest: raw_ecdsa(KEY, manifest + b"\n"),
            lambda manifest: raw_ecdsa(ec.generate_private_key(ec.SECP256R1()), manifest),
            lambda manifest: b"",
        ):
            data = artifact(parts(sign=sign))
            verification = judge(data, KEY.public_key())
            reason = "none of the configured keys made its signature"
            self.assertEqual(verification, Verification(Outcome.BAD, reason))
            self.assertIs(judge(data).outcome, Outcome.GOOD)

    def test_signed_but_damaged(self) -> None:
        """A right signature does not excuse a wrong payload."""
        payload = tar([("firmware.bin", b"other"), ("empty", b"")])
        made = parts(payload=payload, sign=lambda manifest: raw_ecdsa(KEY, manifest))
        self.assertIs(judge(artifact(made), KEY.public_key()).outcome, Outcome.BAD)
