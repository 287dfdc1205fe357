"""What was deleted here, and may still be in the hands of devices."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache import forgotten
from menderproxy.cache.forgotten import Forgotten
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
        before = TODAY + self.clock.seconds()
        self.assertGreater(self.fetch(NEW), before)

    def begin_old(self) -> None:
        """Give devices a part of the old one."""
        _, body = self.begin(OLD)
        body.send(7000)
        self.wait(1)

    def known(self) -> ArtifactMeta | None:
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

    def test_known(self) -> None:
        """The cache can be asked for what is here, or was here last."""
        self.assertIsNone(self.known())
        self.store_whole(LINK, OLD)
        self.assertEqual(not_none(self.known()).etag, OLD.etag)
        self.evict()
        self.assertEqual(not_none(self.known()).etag, OLD.etag)
        self.fetch(NEW)
        self.assertEqual(not_none(self.known()).etag, NEW.etag)

    def test_known_to_a_broken_disk(self) -> None:
        """A disk that can't tell knows of nothing: devices shall not have to do without both."""
        self.store_whole(LINK, OLD)

        def failing(*_: Any) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        self.patch(Path, "read_bytes", failing)
        self.assertIsNone(self.known())


class ForgottenTests(SynchronousTestCase):
    """The files."""

    def setUp(self) -> None:
        """Make a directory for the artifacts, and one for what is forgotten."""
        self.path = Path(self.mktemp())
        self.path.mkdir()
        self.kept = self.path / "forgotten"
        self.forgotten = Forgotten(self.kept)
        self.forgotten.make()

    def delete(self, number: int) -> ArtifactMeta:
        """Let there be an artifact, and delete it."""
        meta = attrs.evolve(META, key=f"{number:064x}")
        artifact = self.path / meta.key
        artifact.write_bytes(b"0123456789")
        artifact.with_suffix(".json").write_bytes(meta.to_json())
        self.forgotten.delete(artifact)
        self.assertEqual(list(self.path.iterdir()), [self.kept])
        return meta

    def test_kept(self) -> None:
        """What was beside it is kept, also for the next process."""
        meta = self.delete(1)
        again = Forgotten(self.kept)
        again.make()
        self.assertEqual(again.meta(meta.key), meta)

    def test_never_there(self) -> None:
        """Of what never was there nothing is known, nor of what can't be read."""
        self.assertIsNone(self.forgotten.meta("f" * 64))
        self.forgotten.delete(self.path / ("f" * 64))
        self.assertEqual(list(self.kept.iterdir()), [])
        for text in (b"{", META.to_json()):
            (self.kept / f"{OTHER_KEY}.json").write_bytes(text)
            self.assertIsNone(self.forgotten.meta(OTHER_KEY))

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
        self.assertEqual(self.forgotten.meta(meta.key), meta)

    def test_limit(self) -> None:
        """There are never many more than the limit: those deleted first are cleared away."""
        self.patch(forgotten, "MOST", 3)
        most = 0
        for number in range(20):
            self.delete(number)
            most = max(most, len(list(self.kept.iterdir())))
            self.assertIsNotNone(self.forgotten.meta(f"{number:064x}"))
        self.assertLessEqual(most, 2 * 3)
        self.forgotten.make()
        left = sorted(int(path.stem, 16) for path in self.kept.iterdir())
        self.assertEqual(left, [17, 18, 19])
