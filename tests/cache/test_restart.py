"""What the next process makes of what it finds."""

from __future__ import annotations

import os

import attrs

from tests.cache.fakes import KEY, LINK, StoredObject, content
from tests.cache.testcase import CacheTestCase

DATA = content(20_000)
THING = StoredObject(DATA)


class PartialTests(CacheTestCase):
    """An artifact that was in flight."""

    def interrupt(self, sent: int, thing: StoredObject = THING) -> None:
        """Have a part of it on the disk when the process is killed."""
        _, body = self.begin(thing)
        body.send(sent)
        self.wait(1)
        self.crash()

    def check_goes_on(self, offset: int, thing: StoredObject = THING) -> None:
        """The next process asks for no more than the rest, and devices get the whole."""
        self.start()
        self.assertTrue(self.cache.holds(LINK))
        device = self.device()
        self.assertEqual(self.store.last.offset, offset)
        self.assertEqual(device.received, DATA[:offset])
        self.store.last.serve(thing)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, DATA)
        self.assertEqual(len(self.store.requests), 1)

    def test_killed(self) -> None:
        """After kill -9 it goes on with all that was written."""
        self.interrupt(7000)
        self.check_goes_on(7000)

    def test_killed_twice(self) -> None:
        """And again."""
        self.interrupt(7000)
        self.start()
        self.device()
        self.settle()
        body = self.store.last.serve(THING)
        self.settle()
        body.send(3000)
        self.wait(1)
        self.crash()
        self.check_goes_on(10_000)

    def test_power_cut(self) -> None:
        """After a reboot it goes on with what was synced, and no more."""
        _, body = self.begin(THING)
        body.send(5000)
        self.stop()
        self.start()
        self.device()
        body = self.store.last.serve(THING)
        self.settle()
        body.send(2000)
        self.wait(1)
        self.crash()
        self.boot_id = "another boot"
        self.check_goes_on(5000)

    def test_power_cut_before_the_first_sync(self) -> None:
        """What was never synced is fetched again."""
        self.interrupt(7000)
        self.boot_id = "another boot"
        self.start()
        device = self.device()
        self.assertIsNone(self.store.last.range_header)
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, DATA)

    def test_stopped(self) -> None:
        """After an orderly stop a reboot costs nothing."""
        _, body = self.begin(THING)
        body.send(7000)
        self.stop()
        self.store.requests.clear()
        self.devices.clear()
        self.boot_id = "another boot"
        self.check_goes_on(7000)

    def test_whole(self) -> None:
        """What is all here, and only lacks its name, is published without the store."""
        self.interrupt(len(DATA))
        self.start()
        device = self.device()
        self.wait(1)
        self.assertEqual(device.received, DATA)
        self.assertEqual(self.store.requests, [])
        self.assertEqual(
            self.files(), [f"objects/{KEY[:2]}/{KEY}", f"objects/{KEY[:2]}/{KEY}.json"]
        )

    def test_whole_but_wrong(self) -> None:
        """But not without having been checked: the checksum survives the restart."""
        for thing in (THING.right_md5, THING.right_sha256):
            self.interrupt(len(DATA) - 1, thing)
            with self.directory.partial_path(KEY).open("ab") as file:
                file.write(b"?")
            self.start()
            early = self.device()
            self.wait(1)
            self.assertEqual(early.received, DATA[:-1])
            self.assertIsNotNone(early.failure)
            device = self.device()
            self.store.last.serve(thing)
            self.settle()
            self.finish(device)
            self.assertEqual(device.received, DATA)
            self.cache.index.forget(KEY)
            self.directory.delete(KEY)
            self.stop()
            self.start()

    def test_changed_meanwhile(self) -> None:
        """What the store has replaced is begun anew."""
        newer = attrs.evolve(THING, data=DATA[::-1], etag='"v2"')
        self.interrupt(7000)
        self.start()
        self.device()
        self.store.last.serve(newer)
        self.wait(1)
        device = self.device()
        self.store.last.serve(newer)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, newer.data)
        assert device.artifact is not None
        self.assertGreater(device.artifact.meta.changed_at, 0)

    def test_change_survives(self) -> None:
        """That an artifact took another's place is still known after a restart."""
        self.test_changed_meanwhile()
        self.stop()
        self.start()
        device = self.device()
        assert device.artifact is not None
        self.assertGreater(device.artifact.meta.changed_at, 0)

    def test_change_survives_in_flight(self) -> None:
        """Even if the restart came while it was in flight."""
        newer = attrs.evolve(THING, etag='"v2"')
        self.interrupt(7000)
        self.start()
        self.device()
        self.store.last.serve(newer)
        self.wait(1)
        body = self.store.last.serve(newer)
        self.settle()
        body.send(9000)
        self.wait(1)
        self.crash()
        self.start()
        device = self.device()
        self.assertEqual(self.store.last.offset, 9000)
        assert device.artifact is not None
        self.assertGreater(device.artifact.meta.changed_at, 0)

    def test_damaged_sidecar(self) -> None:
        """A part whose sidecar is damaged is fetched again."""
        self.interrupt(7000)
        self.directory.partial_path(KEY).with_suffix(".json").write_bytes(b"{")
        self.start()
        device = self.device()
        self.assertIsNone(self.store.last.range_header)
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, DATA)

    def test_counted_once(self) -> None:
        """A part that became whole takes its room once."""
        self.interrupt(7000)
        self.check_goes_on(7000)
        self.assertEqual(self.cache.index.bytes_used, len(DATA))
        self.assertEqual(self.cache.index.leftovers, {})


class ObjectTests(CacheTestCase):
    """An artifact that was whole."""

    def setUp(self) -> None:
        """Have one."""
        super().setUp()
        self.store_whole(LINK, THING)
        self.object = self.directory.object_path(KEY)

    def restart(self) -> None:
        """Start the next process."""
        self.stop()
        self.store.requests.clear()
        self.start()

    def test_served(self) -> None:
        """It is served without the store."""
        self.restart()
        device = self.device()
        self.settle()
        self.assertEqual(device.received, DATA)
        self.assertEqual(self.store.requests, [])

    def test_not_whole(self) -> None:
        """One that is not what its sidecar says is fetched again."""
        for size in (0, len(DATA) - 1, len(DATA) + 1):
            self.stop()
            os.truncate(self.object, size)
            self.start()
            self.assertFalse(self.cache.holds(LINK))
            self.store_whole(LINK, THING)

    def test_lost(self) -> None:
        """One that has vanished from a running gateway is fetched again."""
        self.restart()
        self.object.unlink()
        device = self.device()
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, DATA)

    def test_served_at(self) -> None:
        """When it was last served survives a restart."""
        self.clock.advance(1000)
        self.settle()
        self.device()
        self.restart()
        entry = self.cache.index.entries[KEY]
        self.assertAlmostEqual(entry.served_at, self.today + self.clock.seconds(), places=3)
