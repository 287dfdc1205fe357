"""The front door: any number of devices, one download."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from menderproxy.cache.artifacts import REMEMBERED_LINKS, ArtifactCache
from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.errors import ArtifactUnavailable, CacheDirectoryError
from menderproxy.cache.file import WAKE_INTERVAL
from menderproxy.cache.index import LINGER
from menderproxy.wire.store_url import StoreURL
from tests.cache.fakes import FRESHER, LINK, OTHER, StoredObject, content
from tests.cache.testcase import CacheTestCase, open_files

DATA = content(20_000)
THING = StoredObject(DATA)


class OneDownloadTests(CacheTestCase):
    """Whoever asks, whenever."""

    def test_at_once(self) -> None:
        """Many devices at once cost one request."""
        devices = [self.device() for _ in range(20)]
        self.store.last.serve(THING)
        self.settle()
        self.finish(devices[0])
        self.assertEqual({device.received for device in devices}, {DATA})
        self.assertEqual(len(self.store.requests), 1)

    def test_late_joiner(self) -> None:
        """Who comes late gets all that is here at once, from its first byte."""
        early, body = self.begin(THING)
        body.send(15_000)
        self.settle()
        late = self.device()
        self.assertEqual(late.received, DATA[:15_000])
        self.finish(late)
        self.assertEqual((early.received, late.received), (DATA, DATA))
        self.assertEqual(len(self.store.requests), 1)

    def test_after_the_end(self) -> None:
        """Who comes after the end needs no store."""
        self.store_whole(LINK, THING)
        self.assertEqual(self.device().received, DATA)
        self.wait(LINGER * 3)
        self.assertEqual(self.device().received, DATA)
        self.assertEqual(len(self.store.requests), 1)

    def test_any_link(self) -> None:
        """All links to one object are one artifact, and another object is another."""
        self.device()
        self.device(FRESHER)
        self.assertEqual(len(self.store.requests), 1)
        self.device(OTHER)
        self.assertEqual(len(self.store.requests), 2)

    def test_ranges(self) -> None:
        """Each device gets its own range, as soon as it is here."""
        whole, body = self.begin(THING)
        part = self.device(first=5000, last=5999)
        tail = self.device(first=19_000)
        body.send(5500)
        self.wait(1)
        self.assertEqual((part.received, tail.received), (DATA[5000:5500], b""))
        body.send(500)
        self.wait(1)
        self.assertTrue(part.finished)
        self.assertFalse(whole.finished)
        self.finish(tail)
        self.assertEqual((part.received, tail.received), (DATA[5000:6000], DATA[19_000:]))

    def test_own_pace(self) -> None:
        """A device that takes nothing slows neither the others nor the download."""
        slow, body = self.begin(THING)
        slow.paused = True
        fast = self.device()
        body.send(10_000)
        self.wait(1)
        self.assertEqual(fast.received, DATA[:10_000])
        self.assertFalse(body.paused)
        self.finish(fast)
        slow.go_on()
        self.settle()
        self.assertEqual(slow.received, DATA)

    def test_name(self) -> None:
        """What is known of an artifact is told before its first byte."""
        device, _ = self.begin(THING)
        assert device.artifact is not None
        meta = device.artifact.meta
        self.assertEqual((meta.length, meta.etag), (20_000, '"v1"'))
        self.assertEqual((meta.name, meta.source), ("release-2", LINK.redacted))

    def test_outcome(self) -> None:
        """It is told where the artifact was: in its store, on its way, or here."""
        first, body = self.begin(THING)
        second = self.device()
        body.finish()
        self.wait(1)
        third = self.device()
        artifacts = [device.artifact for device in (first, second, third)]
        outcomes = [artifact.outcome for artifact in artifacts if artifact is not None]
        self.assertEqual(outcomes, ["miss", "joined", "hit"])


class PromptTests(CacheTestCase):
    """Nobody waits for a byte that is here."""

    def test_first_bytes(self) -> None:
        """The first bytes need no time at all."""
        device, body = self.begin(THING)
        before = self.clock.seconds()
        body.send(1)
        self.settle()
        self.assertEqual((device.received, self.clock.seconds()), (DATA[:1], before))

    def test_gathered(self) -> None:
        """Later ones come in few and large pieces."""
        device, body = self.begin(THING)
        for _ in range(100):
            body.send(100)
            self.wait(0.01)
        self.assertLessEqual(device.wakes, 1 / WAKE_INTERVAL + 1)
        self.wait(0.2)
        self.assertEqual(device.received, DATA[:10_000])


class DepartureTests(CacheTestCase):
    """Devices that go away."""

    def test_all_gone(self) -> None:
        """The download goes on without them."""
        device, body = self.begin(THING)
        body.send(100)
        self.settle()
        device.leave()
        body.finish()
        self.wait(1)
        self.assertEqual(self.device().received, DATA)
        self.assertEqual(len(self.store.requests), 1)

    def test_gone_before_the_head(self) -> None:
        """Even if nobody has seen its head."""
        self.device().leave()
        self.store.last.serve(THING)
        self.settle()
        self.finish(self.device())
        self.assertEqual(len(self.store.requests), 1)

    def test_first_gone(self) -> None:
        """The first one is no more than the others."""
        first, body = self.begin(THING)
        second = self.device()
        first.leave()
        self.finish(second)
        self.assertEqual(second.received, DATA)
        self.assertFalse(body.aborted)

    def test_gone_while_opening(self) -> None:
        """A device that goes while a thread opens the file leaves nothing open for good."""
        self.store_whole(LINK, THING)
        self.wait(LINGER * 3)
        before = len(open_files(self.path))
        for _ in range(5):
            opening = self.opening()
            opening.addErrback(lambda _: None)
            opening.cancel()
        self.settle()
        self.assertEqual(self.device().received, DATA)
        self.wait(LINGER * 3)
        self.assertEqual(len(open_files(self.path)), before)

    def test_many_open_at_once(self) -> None:
        """Devices that open a finished artifact at once share one open file."""
        self.store_whole(LINK, THING)
        self.wait(LINGER * 3)
        before = len(open_files(self.path))
        opening = [self.opening() for _ in range(5)]
        self.settle()
        self.assertEqual(len(open_files(self.path)), before + 1)
        for one in opening:
            self.successResultOf(one).close()

    def test_file_lingers(self) -> None:
        """The file stays open for the next range for a while, then it is closed."""
        before = len(open_files(self.path))
        self.store_whole(LINK, THING)
        for _ in range(5):
            self.wait(LINGER * 0.9)
            self.device(first=0, last=9)
            self.assertEqual(len(open_files(self.path)), before + 1)
        self.wait(LINGER * 2)
        self.assertEqual(len(open_files(self.path)), before)


class LinkTests(CacheTestCase):
    """Which link is used."""

    def test_newest(self) -> None:
        """A download begins with the newest link that any device was given."""
        self.cache.remember(LINK)
        self.cache.remember(FRESHER)
        self.assertEqual(self.cache.freshest(LINK), FRESHER)
        self.device(LINK)
        self.assertEqual(self.store.last.url, FRESHER)

    def test_unknown(self) -> None:
        """Without a newer one the device's own link will do."""
        self.assertEqual(self.cache.freshest(LINK), LINK)

    def test_bounded(self) -> None:
        """Not all links are remembered for ever: those named longest ago are forgotten."""
        self.cache.remember(FRESHER)
        for number in range(REMEMBERED_LINKS - 1):
            self.cache.remember(StoreURL.parse(f"https://store.example/{number}?signature=x"))
        self.assertEqual(self.cache.freshest(LINK), FRESHER)
        self.cache.remember(FRESHER)
        self.cache.remember(StoreURL.parse("https://store.example/more?signature=x"))
        self.assertEqual(self.cache.freshest(LINK), FRESHER)
        for number in range(REMEMBERED_LINKS):
            self.cache.remember(StoreURL.parse(f"https://store.example/{number}?signature=x"))
        self.assertEqual(self.cache.freshest(LINK), LINK)

    def test_holds(self) -> None:
        """What is here, on its way or here in part is held; what is only known by name is not."""
        self.cache.remember(LINK)
        self.assertFalse(self.cache.holds(LINK))
        device, body = self.begin(THING)
        self.assertTrue(self.cache.holds(FRESHER))
        self.assertFalse(self.cache.holds(OTHER))
        body.send(100)
        self.stop()
        self.start()
        self.assertTrue(self.cache.holds(LINK))
        self.assertIsNotNone(device.failure)


class ServiceTests(CacheTestCase):
    """Starting and stopping."""

    def test_again(self) -> None:
        """A stopped cache may be started again, and still has what it had."""
        self.store_whole(LINK, THING)
        self.stop()
        self.assertFalse(self.cache.holds(LINK))
        self.cache.startService()
        self.assertEqual(self.device().received, DATA)

    def test_second_process(self) -> None:
        """A second process on the same directory does not start."""
        other = ArtifactCache(self.clock, CacheDirectory(self.path), self.threads, self.store.fetch)
        self.assertRaises(CacheDirectoryError, other.startService)
        self.assertFalse(other.running)

    def test_stopping(self) -> None:
        """A device that comes while the cache stops begins no download."""
        self.begin(THING)
        stopping = Deferred.fromCoroutine(self.cache.stop())
        late = self.device(OTHER)
        self.settle()
        self.successResultOf(stopping)
        self.assertIsInstance(late.failure, ArtifactUnavailable)
        self.assertEqual(len(self.store.requests), 1)
        self.start()
        self.assertTrue(self.cache.holds(LINK))
