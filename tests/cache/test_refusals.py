"""A store that says no: to the link, or for good."""

from __future__ import annotations

import attrs

from menderproxy.cache.errors import ArtifactError, ArtifactRefused
from tests.cache.fakes import FRESHER, KEY, LINK, StoredObject, content
from tests.cache.testcase import PATIENCE, CacheTestCase, Device

THING = StoredObject(content(10_000))


class RefusedTestCase(CacheTestCase):
    """Has a store that refuses links."""

    def refuse_for(self, seconds: float) -> None:
        """Let time pass in which the store refuses every link."""
        for _ in range(round(seconds)):
            if not self.store.last.answered:
                self.store.last.refuse(403)
            self.wait(1)


class LinkTests(RefusedTestCase):
    """The store does not take the link, or takes it no more."""

    def check_refused(self, device: Device, status: int) -> None:
        """The device is told the store's status."""
        assert isinstance(device.failure, ArtifactRefused)
        self.assertEqual(device.failure.status, status)

    def refused(self) -> Device:
        """Let the first request be refused."""
        device = self.device()
        self.store.last.refuse(403)
        self.settle()
        return device

    def test_parked(self) -> None:
        """A refused link is not tried again, and the device is not told yet."""
        device = self.refused()
        self.wait(PATIENCE.fresher_link - 1)
        self.assertEqual(len(self.store.requests), 1)
        self.assertIsNone(device.failure)

    def test_patience_ends(self) -> None:
        """After some time the refusal is passed on, and nothing is kept."""
        device = self.refused()
        self.wait(PATIENCE.fresher_link)
        self.check_refused(device, 403)
        self.assertEqual(self.files(), [])
        self.assertFalse(self.cache.holds(LINK))

    def test_fresher_link(self) -> None:
        """A fresher link is taken at once."""
        device = self.refused()
        self.cache.remember(FRESHER)
        self.settle()
        self.assertEqual([request.url for request in self.store.requests], [LINK, FRESHER])
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, THING.data)

    def test_fresher_link_before(self) -> None:
        """So is one that came while the old one was being tried."""
        device = self.device()
        self.cache.remember(FRESHER)
        self.store.last.refuse(403)
        self.settle()
        self.assertEqual(self.store.last.url, FRESHER)
        self.assertIsNone(device.failure)

    def test_same_link(self) -> None:
        """The same link again is no fresher one."""
        self.refused()
        self.cache.remember(LINK)
        self.wait(1)
        self.assertEqual(len(self.store.requests), 1)

    def test_all_refused(self) -> None:
        """Fresher links that are refused as well do not make it wait for ever."""
        device = self.refused()
        for number in range(round(PATIENCE.fresher_link) + 10):
            self.cache.remember(attrs.evolve(LINK, target=f"/bucket/one?signature={number}"))
            self.wait(1)
            if not self.store.last.answered:
                self.store.last.refuse(403)
                self.settle()
        self.check_refused(device, 403)

    def test_refused_faster_than_renewed(self) -> None:
        """Nor do those that come while the one before is still being tried."""
        device = self.device()
        for number in range(round(PATIENCE.fresher_link) + 10):
            self.cache.remember(attrs.evolve(LINK, target=f"/bucket/one?signature={number}"))
            if not self.store.last.answered:
                self.store.last.refuse(403)
            self.wait(1)
        self.check_refused(device, 403)

    def test_mid_flight(self) -> None:
        """An artifact that has been begun waits longer: the next poll of any device will do."""
        device, body = self.begin(THING)
        body.send(4000)
        self.cut(body)
        self.refuse_for(PATIENCE.unwanted - 1)
        self.assertIsNone(device.failure)
        self.cache.remember(FRESHER)
        self.settle()
        self.assertEqual((self.store.last.url, self.store.last.offset), (FRESHER, 4000))
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, THING.data)

    def test_mid_flight_again(self) -> None:
        """The old link is tried again, too, at pauses that grow: all devices may hang on it."""
        device, body = self.begin(THING)
        body.send(4000)
        self.cut(body)
        asked = []
        for second in range(300):
            if not self.store.last.answered:
                self.store.last.refuse(403)
                asked.append(second)
            self.wait(1)
        self.assertLess(asked[1], 3)
        self.assertLess(len(asked), 20)
        self.assertLessEqual(asked[-1] - asked[-2], PATIENCE.longest_retry + 1)
        self.wait(PATIENCE.longest_retry)
        self.assertEqual((self.store.last.url, self.store.last.offset), (LINK, 4000))
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, THING.data)

    def test_mid_flight_for_good(self) -> None:
        """What came is kept all the same, to go on with."""
        device, body = self.begin(THING)
        body.send(4000)
        self.cut(body)
        self.refuse_for(PATIENCE.unwanted + PATIENCE.longest_retry)
        self.check_refused(device, 403)
        self.assertTrue(self.cache.holds(LINK))
        self.device(FRESHER)
        self.assertEqual((self.store.last.url, self.store.last.offset), (FRESHER, 4000))

    def test_patience_anew(self) -> None:
        """A link that was good for some bytes starts the patience anew."""
        device, body = self.begin(THING)
        body.send(4000)
        for link in (FRESHER, LINK):
            self.cut(body)
            self.refuse_for(PATIENCE.unwanted * 0.7)
            self.cache.remember(link)
            self.settle()
            body = self.store.last.serve(THING)
            self.settle()
            body.send(1000)
        self.finish(device)
        self.assertEqual(device.received, THING.data)


class RefusalTests(CacheTestCase):
    """The store says no for good."""

    def test_not_found(self) -> None:
        """The device is told at once, nothing is kept, and the next one makes us ask again."""
        for status in (404, 410, 405):
            before = len(self.store.requests)
            device = self.device()
            body = self.store.last.refuse(status)
            self.settle()
            self.assertTrue(body.aborted)
            assert isinstance(device.failure, ArtifactRefused)
            self.assertEqual(device.failure.status, status)
            self.assertEqual(len(self.store.requests), before + 1)
            self.assertEqual(self.files(), [])
            self.assertFalse(self.cache.holds(LINK))

    def test_all_told(self) -> None:
        """All who wait are told."""
        devices = [self.device() for _ in range(3)]
        self.store.last.refuse(404)
        self.settle()
        for device in devices:
            self.assertIsInstance(device.failure, ArtifactRefused)

    def test_mid_flight(self) -> None:
        """Who has a part is cut off."""
        device, body = self.begin(THING)
        body.send(4000)
        self.cut(body)
        self.store.last.refuse(404)
        self.settle()
        self.assertEqual(device.received, THING.data[:4000])
        self.assertIsInstance(device.failure, ArtifactRefused)


class SecrecyTests(RefusedTestCase):
    """A presigned query is as good as a password."""

    def test_no_query(self) -> None:
        """No error, no log line and no file shows it."""
        device, body = self.begin(THING)
        body.send(4000)
        self.cut(body)
        self.refuse_for(PATIENCE.unwanted + PATIENCE.longest_retry)
        self.assertIsInstance(device.failure, ArtifactError)
        self.assertNotIn("signature", str(device.failure))
        for name in self.files():
            self.assertNotIn(b"signature", (self.path / name).read_bytes())
        self.assertIn(f"partial/{KEY}.json", self.files())
