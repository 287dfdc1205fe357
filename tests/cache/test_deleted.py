"""What was deleted here, and may still be in the hands of devices."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache import deleted
from menderproxy.cache.deleted import DeletedArtifacts, KnownVersion
from menderproxy.cache.errors import CacheUnusable
from menderproxy.cache.index import LINGER
from menderproxy.cache.meta import ArtifactMeta
from menderproxy.cache.room import Limits
from menderproxy.wire.store_url import StoreURL
from tests.cache.fakes import KEY, LINK, StoredObject, content, not_none
from tests.cache.test_meta import META
from tests.cache.testcase import TODAY, CacheTestCase

DATA = content(20_000)
OLD = StoredObject(DATA)
# It has lain there for a day, while the cache went on to give away the old one.
NEW = StoredObject(content(20_000, 1), etag='"v2"', age=86_400.0)
OTHER = StoredObject(content(15_000, 2), etag='"other"')
OTHER_LINK = StoreURL.parse("https://store.example/bucket/other")
OTHER_KEY = OTHER_LINK.cache_key


class ReplacedTests(CacheTestCase):
    """An artifact replaced at its store while devices were still given the old one from here."""

    limits = Limits(max_size=30_000)

    def fetch(self, thing: StoredObject) -> float:
        """
        Bring in what the store has now.

        :returns: the time at which it certainly was there, as far as we know.
        """
        self.wait(1000)
        device, _ = self.begin(thing)
        self.finish(device)
        self.assertEqual(device.received, thing.data)
        return not_none(device.artifact).meta.changed_at

    def evict(self) -> None:
        """Bring in another artifact, which leaves no room for it."""
        self.store_whole(OTHER_LINK, OTHER)
        self.assertFalse(self.cache.holds(LINK))

    def assert_noticed(self) -> None:
        """The new one counts as one that came now: until now devices may have got the old one."""
        before = self.now()
        self.assertGreater(self.fetch(NEW), before)

    def begin_old(self) -> None:
        """Give devices a part of the old one."""
        _, body = self.begin(OLD)
        body.send(7000)
        self.wait(1)

    def known(self) -> KnownVersion | None:
        """What the cache says that devices may have bytes of."""
        asking = Deferred.fromCoroutine(self.cache.known(LINK))
        self.settle()
        return self.successResultOf(asking)

    def test_evicted(self) -> None:
        """It was here and had to make room."""
        self.store_whole(LINK, OLD)
        self.evict()
        self.assert_noticed()

    def test_evicted_by_an_earlier_process(self) -> None:
        """A process in between changes nothing, however it ended."""
        for end in (self.stop, self.crash):
            self.store_whole(LINK, OLD)
            self.evict()
            end()
            self.start()
            self.assert_noticed()
            self.evict()

    def test_part_evicted(self) -> None:
        """Only a part of it was here, and had to make room."""
        self.begin_old()
        self.stop()
        self.start()
        self.evict()
        self.assert_noticed()

    def test_killed_while_starting_over(self) -> None:
        """The process is killed when it has dropped the old one, before it has any of the new."""
        self.begin_old()
        self.cut(not_none(self.store.last.body))
        self.store.last.serve(NEW)
        self.settle()
        self.assertEqual(self.files(), [])
        self.crash()
        self.start()
        self.assert_noticed()

    def test_withdrawn(self) -> None:
        """It was put into quarantine."""
        self.store_whole(LINK, OLD)
        self.cache.index.forget(KEY)
        self.directory.withdraw(KEY)
        self.assert_noticed()

    def test_lost(self) -> None:
        """The disk could not read it any more."""
        self.store_whole(LINK, OLD)
        self.wait(LINGER)
        call = os.open

        def failing(path: Any, *arguments: Any) -> int:
            if str(path).endswith(KEY):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return call(path, *arguments)

        self.patch(os, "open", failing)
        self.assert_noticed()

    def test_the_same(self) -> None:
        """What comes again as it was counts as it did, any number of times."""
        self.store_whole(LINK, OLD)
        for _ in range(2):
            self.evict()
            self.assertEqual(self.fetch(OLD), 0.0)
        self.evict()
        changed_at = self.fetch(NEW)
        for _ in range(2):
            self.evict()
            self.assertEqual(self.fetch(NEW), changed_at)

    def assert_known(self, thing: StoredObject, until: float | None) -> None:
        """Devices may have a part of this, if they began until then."""
        known = not_none(self.known())
        self.assertEqual((known.meta.etag, known.until), (thing.etag, until))

    def test_known(self) -> None:
        """The cache can be asked for what is here, or was here last."""
        self.assertIsNone(self.known())
        self.store_whole(LINK, OLD)
        self.assert_known(OLD, None)
        self.wait(10)
        evicted_at = self.now()
        self.evict()
        self.wait(10)
        self.assert_known(OLD, evicted_at)
        self.fetch(NEW)
        self.assert_known(NEW, None)
        self.evict()
        self.begin_old()
        self.assert_known(OLD, None)

    def test_rejected_before_the_end(self) -> None:
        """So does what did not match its checksum, though it comes again and looks the same."""
        wrong = attrs.evolve(OLD, md5=bytes(16))
        _, body = self.begin(wrong)
        body.finish()
        self.settle()
        self.assertEqual(self.files(), [])
        before = self.now()
        self.crash()
        self.start()
        self.assertGreaterEqual(self.fetch(OLD), before)

    def test_clock_set_back(self) -> None:
        """That our clock was set back meanwhile makes nothing older."""
        self.store_whole(LINK, OLD)
        evicted_at = self.now()
        self.evict()
        self.today -= 86_400
        self.assertGreaterEqual(self.fetch(NEW), evicted_at)

    def test_unknown_to_a_broken_disk(self) -> None:
        """Where that can't be read, nothing is begun, and nothing left open."""
        self.store_whole(LINK, OLD)
        self.evict()
        files = self.files()

        call = Path.read_bytes

        def failing(path: Path) -> bytes:
            if path.parent.name == "deleted":
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return call(path)

        self.patch(Path, "read_bytes", failing)
        device = self.device()
        body = self.store.last.serve(NEW)
        self.settle()
        self.assertIsInstance(device.failure, CacheUnusable)
        self.assertTrue(body.aborted)
        self.assertEqual(self.files(), files)

    def test_part_that_stays(self) -> None:
        """What a read-only disk keeps of a broken download is known, too."""
        self.begin_old()

        def failing(*_: Any, **more: Any) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        self.patch(os, "rename", failing)
        self.patch(Path, "unlink", failing)
        self.cut(not_none(self.store.last.body))
        self.store.last.serve(NEW)
        self.settle()
        self.assert_known(OLD, None)

    def test_known_to_a_broken_disk(self) -> None:
        """A disk that can't tell knows of nothing: devices shall not have to do without both."""
        self.store_whole(LINK, OLD)

        def failing(*_: Any) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        self.patch(Path, "read_bytes", failing)
        self.assertIsNone(self.known())


class DeletedTests(SynchronousTestCase):
    """The files."""

    def setUp(self) -> None:
        """Make a directory for the artifacts, and one for what is kept of them."""
        self.path = Path(self.mktemp())
        self.path.mkdir()
        self.kept = self.path / "deleted"
        self.now = TODAY
        self.deleted = DeletedArtifacts(self.kept, lambda: self.now)
        self.deleted.make()

    def delete(self, number: int, changed_at: float | None = None) -> ArtifactMeta:
        """Let there be an artifact, and delete it."""
        meta = attrs.evolve(META, key=f"{number:064x}")
        artifact = self.path / meta.key
        artifact.write_bytes(b"0123456789")
        artifact.with_suffix(".json").write_bytes(meta.to_json())
        self.now += 1
        self.deleted.delete(artifact, changed_at)
        self.assertEqual(list(self.path.iterdir()), [self.kept])
        return meta

    def numbers(self) -> list[int]:
        """Which ones are still known of."""
        return sorted(int(path.stem, 16) for path in self.kept.iterdir())

    def test_kept(self) -> None:
        """What was beside it is kept, and when that was, also for the next process."""
        meta = self.delete(1)
        again = DeletedArtifacts(self.kept)
        again.make()
        self.assertEqual(again.last(meta.key), KnownVersion(meta, TODAY + 1))

    def test_amended(self) -> None:
        """What was learned last is written down before."""
        meta = self.delete(1, changed_at=7.0)
        known = not_none(self.deleted.last(meta.key))
        self.assertEqual(known.meta, attrs.evolve(meta, changed_at=7.0))

    def test_never_there(self) -> None:
        """Of what never was there nothing is known, nor of what can't be read."""
        self.assertIsNone(self.deleted.last("f" * 64))
        self.deleted.delete(self.path / ("f" * 64), changed_at=7.0)
        self.assertEqual(self.numbers(), [])
        for text in (b"{", META.to_json()):
            (self.kept / f"{OTHER_KEY}.json").write_bytes(text)
            self.assertIsNone(self.deleted.last(OTHER_KEY))

    def test_sidecar_first(self) -> None:
        """Who is killed in between leaves a file that is no artifact, and knows what it was."""
        unlinked: list[bool] = []
        call = Path.unlink

        def watched(path: Path, **more: Any) -> None:
            unlinked.append((self.kept / f"{path.name}.json").exists())
            call(path, **more)

        self.patch(Path, "unlink", watched)
        self.delete(1)
        self.assertEqual(unlinked, [True])

    def test_no_room_for_a_name(self) -> None:
        """If the disk has no room for the sidecar's new name, the file goes first."""
        call, failures = os.rename, [OSError(errno.ENOSPC, "full")]

        def failing(*paths: Any) -> None:
            if failures:
                raise failures.pop()
            call(*paths)

        self.patch(os, "rename", failing)
        meta = self.delete(1)
        self.assertEqual(not_none(self.deleted.last(meta.key)).meta, meta)

    def test_directory_gone(self) -> None:
        """A directory that somebody removed is made again; no sidecar stays where it was."""
        self.kept.rmdir()
        meta = self.delete(1)
        self.assertEqual(not_none(self.deleted.last(meta.key)).meta, meta)

    def test_limit(self) -> None:
        """There are never many more than the limit; those deleted first are cleared away."""
        self.patch(deleted, "MOST", 3)
        most = 0
        for number in reversed(range(20)):
            self.delete(number)
            self.deleted.limit()
            most = max(most, len(self.numbers()))
            self.assertIn(number, self.numbers())
        self.assertLess(most, 2 * 3)
        again = DeletedArtifacts(self.kept)
        again.limit()
        self.assertEqual(self.numbers(), [0, 1, 2])

    def test_limit_beside_another(self) -> None:
        """One that somebody else clears away meanwhile is no trouble."""
        self.patch(deleted, "MOST", 1)
        for number in range(9):
            self.delete(number)
        with os.scandir(self.kept) as found:
            listed = list(found)
        (self.kept / f"{0:064x}.json").unlink()
        self.patch(os, "scandir", lambda _: contextlib.nullcontext(listed))
        self.deleted.limit()
        self.assertEqual(self.numbers(), [8])
