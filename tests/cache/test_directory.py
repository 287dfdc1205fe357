"""The cache's directory: who owns it, and what is kept of what is found there."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache import deleted
from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.errors import CacheDirectoryError
from menderproxy.cache.meta import ArtifactMeta
from tests.cache.test_meta import META

KEY = META.key
DATA = b"0123456789"


class DirectoryTestCase(SynchronousTestCase):
    """Has a directory that is ours."""

    def setUp(self) -> None:
        """Claim it."""
        self.path = Path(self.mktemp())
        self.directory = CacheDirectory(self.path, "this boot")
        self.directory.claim()
        self.addCleanup(self.directory.release)
        self.object = self.directory.object_path(KEY)
        self.partial = self.directory.partial_path(KEY)

    def put(self, path: Path, data: bytes, sidecar: bytes | None = None) -> None:
        """Make a file, and its sidecar if it shall have one."""
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        if sidecar is not None:
            path.with_suffix(".json").write_bytes(sidecar)

    def files(self) -> list[Path]:
        """All files but the lock and what is kept of deleted ones."""
        found = (path for path in self.path.rglob("*") if path.is_file())
        apart = (self.path / "lock", self.path / "deleted")
        return [path for path in found if path not in apart and path.parent not in apart]


class ClaimTests(DirectoryTestCase):
    """Owning the directory."""

    def test_private(self) -> None:
        """Nobody else may look into it."""
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o700)

    def test_second_owner_clears_nothing_away(self) -> None:
        """What the first one keeps of deleted artifacts is not the second one's to limit."""
        self.patch(deleted, "MOST", 1)
        for number in range(5):
            (self.path / "deleted" / f"{number}").touch()
        other = CacheDirectory(self.path)
        self.assertRaises(CacheDirectoryError, other.claim)
        self.assertEqual(len(list((self.path / "deleted").iterdir())), 5)
        self.directory.release()
        other.claim()
        other.release()
        self.assertEqual(len(list((self.path / "deleted").iterdir())), 1)

    def test_second_owner(self) -> None:
        """A second process is refused in one line that names the directory."""
        other = CacheDirectory(self.path)
        error = self.assertRaises(CacheDirectoryError, other.claim)
        self.assertEqual(str(error), f"{self.path}: in use by another process")
        self.directory.release()
        other.claim()
        other.release()

    def test_lock_outlives_other_descriptors(self) -> None:
        """The lock is still held after somebody closed another descriptor of its file."""
        os.close(os.open(self.path / "lock", os.O_RDWR))
        self.assertRaises(CacheDirectoryError, CacheDirectory(self.path).claim)

    def test_given_up(self) -> None:
        """After a failed claim no descriptor is left, and a release may be repeated."""
        before = len(os.listdir("/proc/self/fd"))
        self.assertRaises(CacheDirectoryError, CacheDirectory(self.path).claim)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.directory.release()
        self.directory.release()

    def test_no_locks(self) -> None:
        """A file system without locks is not mistaken for a second process."""

        def unlockable(*_: object) -> None:
            raise OSError(37, "No locks available")

        self.patch(fcntl, "flock", unlockable)
        error = self.assertRaises(CacheDirectoryError, CacheDirectory(self.path).claim)
        self.assertEqual(str(error), f"{self.path}: can't be locked: No locks available")

    def test_unusable(self) -> None:
        """A path that can't be a directory is named with the reason."""
        path = self.path / "file" / "cache"
        (self.path / "file").touch()
        error = self.assertRaises(CacheDirectoryError, CacheDirectory(path).claim)
        self.assertEqual(str(error), f"{path}: Not a directory")


class SecretTests(DirectoryTestCase):
    """The secret that signs local links."""

    def test_kept(self) -> None:
        """It is made once, for our eyes only, and is the same for the next process."""
        secret = self.directory.secret()
        self.assertEqual(len(secret), 32)
        self.assertEqual(CacheDirectory(self.path).secret(), secret)
        self.assertNotEqual(CacheDirectory(Path(self.mktemp())).secret(), secret)
        mode = (self.path / "signature-secret").stat().st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_too_short(self) -> None:
        """One that was cut short signs nothing."""
        (self.path / "signature-secret").write_bytes(b"short")
        error = self.assertRaises(CacheDirectoryError, self.directory.secret)
        self.assertIn("too short", str(error))
        self.assertNotIn("b'short'", str(error))


class ScanTests(DirectoryTestCase):
    """Finding the finished artifacts."""

    def found(self) -> list[ArtifactMeta]:
        """What a scan finds."""
        return [stored.meta for stored in self.directory.scan()]

    def test_whole(self) -> None:
        """A file of the length that its sidecar says is an artifact, last served when it was."""
        self.put(self.object, DATA, META.to_json())
        os.utime(self.object, (5, 5))
        [stored] = self.directory.scan()
        self.assertEqual((stored.meta, stored.served_at), (META, 5))

    def test_unbelievable(self) -> None:
        """A file that its sidecar does not describe is deleted, and the sidecar too."""
        other = attrs.evolve(META, key="0" * 64)
        unchecked = attrs.evolve(META, sha256="")
        for data, sidecar in (
            (b"", META.to_json()),
            (DATA[:-1], META.to_json()),
            (DATA + b"x", META.to_json()),
            (DATA, None),
            (DATA, b""),
            (DATA, b"{"),
            (DATA, META.to_json()[:-9]),
            (DATA, other.to_json()),
            (DATA, unchecked.to_json()),
        ):
            self.put(self.object, data, sidecar)
            self.assertEqual(self.found(), [], (data, sidecar))
            self.assertEqual(self.files(), [], (data, sidecar))

    def test_strangers(self) -> None:
        """Files that can't be ours are deleted, whatever their names; folders are left alone."""
        bucket = self.object.parent
        self.put(self.object, DATA, META.to_json())
        for name in ("foreign", "foreign.json", "a.tar", f"{KEY}.json.tmp", f"{KEY}.tmp"):
            self.put(bucket / name, b"?")
        (bucket / "folder").mkdir()
        (bucket / "folder.d").mkdir()
        self.assertEqual(self.found(), [META])
        self.assertEqual(set(self.files()), {self.object, self.object.with_suffix(".json")})

    def test_wrong_place(self) -> None:
        """An artifact where nobody would look for it is deleted."""
        self.put(self.object.parent.with_name("zz") / KEY, DATA, META.to_json())
        self.assertEqual(self.found(), [])
        self.assertEqual(self.files(), [])

    def test_orphan(self) -> None:
        """A sidecar without a file is deleted."""
        self.put(self.object.with_suffix(".json"), META.to_json())
        self.assertEqual(self.found(), [])
        self.assertEqual(self.files(), [])


class LeftoverTests(DirectoryTestCase):
    """Finding what earlier processes had in flight."""

    def found(self) -> list[str]:
        """The keys of what is found."""
        return [leftover.key for leftover in self.directory.leftovers()]

    def test_with_sidecar(self) -> None:
        """A partial file with a sidecar is kept, and takes the room that the disk gave it."""
        self.put(self.partial, bytes(10_000), META.to_json())
        os.utime(self.partial, (5, 5))
        [leftover] = self.directory.leftovers()
        blocks = self.partial.stat().st_blocks * 512
        self.assertEqual((leftover.key, leftover.length, leftover.used_at), (KEY, blocks, 5))

    def test_useless(self) -> None:
        """All else is deleted."""
        partials = self.partial.parent
        self.put(self.partial, DATA)
        self.put(partials / f"{'0' * 64}.json", META.to_json())
        self.put(partials / f"{KEY}.json.tmp", META.to_json())
        self.put(partials / "foreign.part", DATA, META.to_json())
        self.put(partials / "foreign", DATA)
        (partials / "folder.part").mkdir()
        self.assertEqual(self.found(), [])
        self.assertEqual(self.files(), [])


class TakeUpTests(DirectoryTestCase):
    """Going on with an earlier process's partial file."""

    def sidecar(self, meta: ArtifactMeta = META, **more: object) -> bytes:
        """Write a sidecar of this boot, or of another."""
        return meta.to_json(**{"boot_id": "this boot", "durable": 0, **more})

    def offset(self, data: bytes, sidecar: bytes | None) -> int | None:
        """How much of a partial file is taken up; ``None`` when it is deleted."""
        self.put(self.partial, data, sidecar)
        partial = self.directory.open_partial(KEY)
        if partial is None:
            self.assertEqual(self.files(), [])
            return None
        self.addCleanup(os.close, partial.fd)
        self.assertEqual(os.fstat(partial.fd).st_size, partial.offset)
        self.assertEqual(os.pread(partial.fd, 100, 0), data[: partial.offset])
        return partial.offset

    def test_same_boot(self) -> None:
        """In the same boot the file's own length counts: the page cache outlives a process."""
        self.assertEqual(self.offset(DATA[:7], self.sidecar(durable=3)), 7)

    def test_whole(self) -> None:
        """A whole partial file is taken up."""
        self.assertEqual(self.offset(DATA, self.sidecar()), 10)

    def test_other_boot(self) -> None:
        """After a reboot only what was synced counts; the rest is cut off."""
        sidecar = self.sidecar(boot_id="another", durable=3)
        self.assertEqual(self.offset(DATA[:7], sidecar), 3)

    def test_other_boot_lost_more(self) -> None:
        """A file shorter than what was synced is taken up as it is."""
        self.assertEqual(self.offset(DATA[:2], self.sidecar(boot_id="another", durable=3)), 2)

    def test_next_process(self) -> None:
        """Once taken up after a reboot, the file's length counts for the next process again."""
        self.offset(DATA[:7], self.sidecar(boot_id="another", durable=3))
        with self.partial.open("ab") as file:
            file.write(DATA[3:8])
        partial = self.directory.open_partial(KEY)
        assert partial is not None
        self.addCleanup(os.close, partial.fd)
        self.assertEqual(partial.offset, 8)

    def test_nothing_to_take_up(self) -> None:
        """What can't be trusted is deleted."""
        other = attrs.evolve(META, key="0" * 64)
        for data, sidecar in (
            (DATA, None),
            (DATA, b"{"),
            (DATA, self.sidecar(other)),
            (b"", self.sidecar()),
            (DATA + b"x", self.sidecar()),
            (DATA, self.sidecar(boot_id="another")),
            (DATA, self.sidecar(boot_id="another", durable="much")),
            (DATA, self.sidecar(boot_id="another", durable=-1)),
            (DATA, META.to_json()),
        ):
            self.assertIsNone(self.offset(data, sidecar), (data, sidecar))

    def test_nothing_there(self) -> None:
        """Without a file there is nothing, and a lonely sidecar goes."""
        self.assertIsNone(self.directory.open_partial(KEY))
        self.put(self.partial.with_suffix(".json"), self.sidecar())
        self.assertIsNone(self.directory.open_partial(KEY))
        self.assertEqual(self.files(), [])


class KeyTests(DirectoryTestCase):
    """Names of files."""

    def test_only_digests(self) -> None:
        """Nothing but a hex digest becomes part of a path."""
        for name in ("", "..", "../../etc/passwd", KEY[:-1], KEY + "\n", KEY.upper()[:-1] + "G"):
            self.assertRaises(AssertionError, self.directory.object_path, name)
            self.assertRaises(AssertionError, self.directory.partial_path, name)
