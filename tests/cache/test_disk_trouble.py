"""A disk that is full, read-only or broken."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from menderproxy.cache.errors import ArtifactUnavailable, CacheUnusable
from tests.cache.fakes import KEY, LINK, StoredObject, content
from tests.cache.testcase import CacheTestCase, Device

DATA = content(20_000)
THING = StoredObject(DATA)


class DiskTroubleTests(CacheTestCase):
    """What devices are told, and what is left."""

    def let_fail(self, name: str, code: int, when: Callable[..., bool] = lambda *_: True) -> None:
        """Let a call of the system fail."""
        call: Callable[..., Any] = getattr(os, name)

        def failing(*arguments: Any, **more: Any) -> Any:
            if self.failing and when(*arguments):
                raise OSError(code, os.strerror(code))
            return call(*arguments, **more)

        self.failing = True
        self.patch(os, name, failing)

    def check_recovers(self) -> None:
        """Once the disk is well again, the next device gets the artifact; nothing was kept."""
        self.failing = False
        self.assertEqual(self.files(), [])
        device = self.device()
        self.assertIsNone(self.store.last.range_header)
        self.store.last.serve(THING)
        self.settle()
        self.finish(device)
        self.assertEqual(device.received, DATA)

    def test_no_file(self) -> None:
        """Where no file can be made, devices are told that it can't be cached."""
        for code in (errno.EROFS, errno.EIO, errno.EACCES, errno.EMFILE):
            device = self.device()
            self.let_fail("open", code, lambda path, *_: str(path).endswith(".part"))
            body = self.store.last.serve(THING)
            self.settle()
            self.assertTrue(body.aborted)
            self.assertIsInstance(device.failure, CacheUnusable)
            self.failing = False
        self.check_recovers()

    def test_too_many_open_files(self) -> None:
        """An artifact that can't be opened for want of descriptors is not fetched once more."""
        self.store_whole(LINK, THING)
        self.stop()
        self.start()
        for code in (errno.EMFILE, errno.ENFILE):
            self.let_fail("open", code, lambda path, *_: str(path).endswith(KEY))
            self.assertIsInstance(self.device().failure, ArtifactUnavailable)
            self.failing = False
        self.assertEqual(self.device().received, DATA)
        self.assertEqual(len(self.store.requests), 1)

    def test_part_not_taken_up(self) -> None:
        """A part that can't be opened now is told before the store is asked."""
        _, body = self.begin(THING)
        body.send(5000)
        self.stop()
        self.start()
        self.store.requests.clear()
        self.let_fail("open", errno.EIO, lambda path, *_: str(path).endswith(".part"))
        device = self.device()
        self.assertIsInstance(device.failure, CacheUnusable)
        self.assertEqual(self.store.requests, [])
        self.check_recovers()

    def test_write_fails(self) -> None:
        """A write that fails cuts the readers off; the part is removed, and all is well later."""
        device, body = self.begin(THING)
        body.send(5000)
        self.settle()
        self.let_fail("pwritev", errno.EIO)
        body.send(5000)
        self.wait(1)
        self.assertIsInstance(device.failure, CacheUnusable)
        self.assertEqual(device.received, DATA[:5000])
        self.assertTrue(body.aborted)
        self.check_recovers()

    def test_last_write_fails(self) -> None:
        """The same, when it is the last write that fails."""
        device, body = self.begin(THING)
        self.let_fail("pwritev", errno.ENOSPC)
        body.finish()
        self.settle()
        self.assertIsInstance(device.failure, CacheUnusable)
        self.check_recovers()

    def test_write_fails_after_a_cut(self) -> None:
        """A failed write is told at once, though the store is not to be asked for a while."""
        device, body = self.begin(THING)
        body.send(5000)
        self.settle()
        self.let_fail("pwritev", errno.EIO)
        body.send(5000)
        body.cut()
        self.wait(0.1)
        self.assertIsInstance(device.failure, CacheUnusable)
        self.assertEqual(len(self.store.requests), 1)
        self.check_recovers()

    def ask_again_while_writing(self) -> Device:
        """Have the store asked for the rest while there is still something to be written."""
        device, body = self.begin(THING)
        body.send(5000)
        self.settle()
        body.send(5000)
        self.clock.advance(0.1)
        body.cut()
        self.clock.advance(1)
        self.assertEqual(self.store.last.offset, 10_000)
        self.let_fail("pwritev", errno.EIO)
        return device

    def test_write_fails_while_asking(self) -> None:
        """So is one that fails while the store is being asked for the rest."""
        device = self.ask_again_while_writing()
        self.settle()
        body = self.store.last.serve(THING)
        self.settle()
        self.assertTrue(body.aborted)
        self.assertIsInstance(device.failure, CacheUnusable)
        self.check_recovers()

    def test_write_fails_while_parked(self) -> None:
        """And one that fails while a fresher link is waited for."""
        device = self.ask_again_while_writing()
        self.store.last.refuse(403)
        self.settle()
        self.assertIsInstance(device.failure, CacheUnusable)
        self.check_recovers()

    def test_sync_fails(self) -> None:
        """Bytes that can't be synced get no final name."""
        device, body = self.begin(THING)
        self.let_fail("fsync", errno.EIO)
        body.finish()
        self.wait(1)
        self.assertEqual(device.received, DATA)
        self.failing = False
        self.assertFalse(self.cache.holds(LINK))
        self.assertFalse(self.directory.object_path(KEY).exists())

    def test_sidecar_fails(self) -> None:
        """An artifact whose sidecar can't be written is not cached, and its connection dropped."""
        device = self.device()
        self.let_fail("rename", errno.ENOSPC)
        body = self.store.last.serve(THING)
        self.settle()
        self.assertTrue(body.aborted)
        self.assertIsInstance(device.failure, CacheUnusable)
        self.failing = False
        self.stop()
        self.start()
        self.check_recovers()

    def test_unreadable_part(self) -> None:
        """A part that can't be read when it is to be checked is no artifact."""
        _, body = self.begin(THING)
        body.send(5000)
        self.stop()
        self.start()
        device = self.device()
        body = self.store.last.serve(THING)
        self.settle()
        self.let_fail("pread", errno.EIO)
        body.finish()
        self.settle()
        self.assertIsInstance(device.failure, CacheUnusable)
        self.check_recovers()

    def test_time_stamp_fails(self) -> None:
        """A disk that takes no time stamps any more closes files all the same."""
        self.let_fail("utime", errno.EROFS)
        self.store_whole(LINK, THING)
        self.wait(60)
        self.assertEqual(self.device().received, DATA)
        self.wait(60)
