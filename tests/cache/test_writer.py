"""Bytes on their way into a file."""

from __future__ import annotations

import errno
import hashlib
import os

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache import writer as writer_module
from menderproxy.cache.digests import Digests
from menderproxy.cache.writer import BATCH, LINGER, Writer
from tests.cache.fakes import SteppedThreads, content

DATA = content(3 * BATCH)


class WriterTestCase(SynchronousTestCase):
    """Has a writer of an empty file."""

    offset = 0

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.threads = SteppedThreads()
        self.fd = os.open(self.mktemp(), os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, self.fd)
        os.write(self.fd, DATA[: self.offset])
        self.commits: list[int] = []
        self.saved: list[int] = []
        self.writer = Writer(
            self.clock,
            self.threads,
            self.fd,
            self.offset,
            on_commit=lambda: self.commits.append(self.writer.committed),
            save=self.saved.append,
        )

    def settle(self) -> None:
        """Do all the work there is."""
        while self.threads.jobs:
            self.threads.step()
            self.clock.advance(0)

    def written(self) -> bytes:
        """What is in the file."""
        return os.pread(self.fd, 1 << 24, 0)

    def let_writing_fail(self, code: int = errno.ENOSPC) -> None:
        """Let the disk fail."""

        def pwritev(*_: object) -> int:
            raise OSError(code, os.strerror(code))

        self.patch(os, "pwritev", pwritev)


class BatchTests(WriterTestCase):
    """Few and large writes."""

    def test_first_at_once(self) -> None:
        """The very first bytes are written at once: a device may wait for them."""
        self.writer.write(DATA[:10])
        self.assertEqual(list(self.threads.names), ["_append"])
        self.settle()
        self.assertEqual((self.written(), self.commits), (DATA[:10], [10]))

    def test_one_at_a_time(self) -> None:
        """What comes during a write is written after it, and at once if it is enough."""
        step = BATCH // 8
        for start in range(0, BATCH + step, step):
            self.writer.write(DATA[start : start + step])
        self.assertEqual(len(self.threads.jobs), 1)
        self.assertEqual((self.writer.backlog, self.writer.taken), (BATCH + step, BATCH + step))
        self.settle()
        self.assertEqual(self.commits, [step, BATCH + step])
        self.assertEqual(self.written(), DATA[: BATCH + step])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_little_during_a_write(self) -> None:
        """Few bytes that came during a write wait for company like others."""
        self.writer.write(DATA[:10])
        self.writer.write(DATA[10:20])
        self.settle()
        self.writer.write(DATA[20:30])
        self.clock.advance(LINGER * 0.9)
        self.assertEqual(len(self.threads.jobs), 0)
        self.clock.advance(LINGER * 0.1)
        self.settle()
        self.assertEqual(self.commits, [10, 30])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_linger(self) -> None:
        """Few bytes wait for company, but not for long."""
        self.writer.write(DATA[:10])
        self.settle()
        self.writer.write(DATA[10:20])
        self.clock.advance(LINGER * 0.9)
        self.writer.write(DATA[20:30])
        self.assertEqual(len(self.threads.jobs), 0)
        self.clock.advance(LINGER * 0.1)
        self.settle()
        self.assertEqual(self.commits, [10, 30])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_enough(self) -> None:
        """Enough bytes do not wait."""
        self.writer.write(DATA[:10])
        self.settle()
        self.writer.write(DATA[10:20])
        self.writer.write(DATA[20 : BATCH + 10])
        self.settle()
        self.assertEqual(self.commits, [10, BATCH + 10])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SyncTests(WriterTestCase):
    """What is safe after a power cut."""

    def setUp(self) -> None:
        """Sync after few bytes."""
        super().setUp()
        self.patch(writer_module, "SYNC_STEP", 100)
        self.synced = 0
        fdatasync = os.fdatasync

        def counted(fd: int) -> None:
            self.synced += 1
            self.assertNotIn(self.synced, self.saved)
            fdatasync(fd)

        self.patch(os, "fdatasync", counted)

    def test_steps(self) -> None:
        """The file is synced each so many bytes, and that is written down afterwards."""
        for start in range(0, 250, 50):
            self.writer.write(DATA[start : start + 50])
            self.settle()
            self.clock.advance(LINGER)
            self.settle()
        self.assertEqual((self.saved, self.synced), ([100, 200], 2))

    def test_not_written_down_unsynced(self) -> None:
        """What could not be synced is not written down as safe."""

        def failing(fd: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(os, "fdatasync", failing)
        self.writer.write(DATA[:100])
        self.settle()
        self.assertEqual(self.saved, [])
        self.assertIsInstance(self.writer.failure, OSError)

    def test_writing_goes_on(self) -> None:
        """Bytes are written while a sync is under way, and there is one sync at a time."""
        self.writer.write(DATA[:100])
        self.threads.step()
        self.assertEqual(list(self.threads.names), ["_sync"])
        self.writer.write(DATA[100 : 100 + BATCH])
        self.threads.step(1)
        self.assertEqual(self.commits, [100, 100 + BATCH])
        self.assertEqual(list(self.threads.names), ["_sync"])
        self.settle()
        self.assertEqual(self.saved, [100])

    def test_close(self) -> None:
        """Closing with a sync first writes all that was taken, then syncs, then is done."""
        self.writer.write(DATA[:10])
        self.settle()
        self.writer.write(DATA[10:20])
        closing = Deferred.fromCoroutine(self.writer.close(sync=True))
        self.assertNoResult(closing)
        self.settle()
        self.successResultOf(closing)
        self.assertEqual((self.written(), self.saved), (DATA[:20], [20]))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class CloseTests(WriterTestCase):
    """The end."""

    def test_no_work_left(self) -> None:
        """Closing waits for the thread that touches the file, and drops what is not written."""
        self.writer.write(DATA[:10])
        self.writer.write(DATA[10:20])
        closing = Deferred.fromCoroutine(self.writer.close(sync=False))
        self.assertNoResult(closing)
        self.settle()
        self.successResultOf(closing)
        self.assertEqual(self.written(), DATA[:10])
        self.assertEqual(list(self.threads.jobs), [])
        self.assertEqual((self.writer.taken, self.writer.backlog), (10, 0))

    def test_idle(self) -> None:
        """With nothing to do, closing is done at once, and no timer is left."""
        self.writer.write(DATA[:10])
        self.settle()
        self.writer.write(DATA[10:20])
        self.successResultOf(Deferred.fromCoroutine(self.writer.close(sync=False)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close_after_failure(self) -> None:
        """Closing does not hang after the disk has failed."""
        self.let_writing_fail()
        self.writer.write(DATA[:10])
        self.settle()
        self.successResultOf(Deferred.fromCoroutine(self.writer.close(sync=True)))

    def test_failure_while_closing(self) -> None:
        """Nor does it when the disk fails just then."""
        self.let_writing_fail()
        self.writer.write(DATA[:10])
        self.writer.write(DATA[10:20])
        closing = Deferred.fromCoroutine(self.writer.close(sync=True))
        self.settle()
        self.successResultOf(closing)


class FailureTests(WriterTestCase):
    """A disk that fails."""

    def test_told(self) -> None:
        """It is told once, and nothing is taken any more."""
        self.let_writing_fail()
        self.writer.write(DATA[:10])
        self.writer.write(DATA[10:20])
        self.settle()
        self.assertEqual(self.commits, [0])
        self.writer.write(DATA[20:30])
        self.assertEqual(len(self.threads.jobs), 0)
        self.failureResultOf(Deferred.fromCoroutine(self.writer.flush()), OSError)
        self.failureResultOf(Deferred.fromCoroutine(self.writer.digests()), OSError)

    def test_committed(self) -> None:
        """What was in the file before stays committed."""
        self.writer.write(DATA[:10])
        self.settle()
        self.let_writing_fail()
        self.writer.write(DATA[10:20])
        self.clock.advance(LINGER)
        self.settle()
        self.assertEqual(self.writer.committed, 10)


class DigestTests(WriterTestCase):
    """Checksums."""

    offset = 10

    def digests(self) -> Digests:
        """Those of all that was taken."""
        asked = Deferred.fromCoroutine(self.writer.digests())
        self.settle()
        return self.successResultOf(asked)

    def begin(self, *, md5: bool, readable: bool = True) -> None:
        """Have a writer of an empty file."""
        fd = os.open(self.mktemp(), (os.O_RDWR if readable else os.O_WRONLY) | os.O_CREAT)
        self.addCleanup(os.close, fd)
        self.writer = Writer(
            self.clock, self.threads, fd, 0, md5=md5, on_commit=lambda: None, save=lambda _: None
        )

    def test_all(self) -> None:
        """They are about all of the file, what an earlier process wrote included."""
        self.writer.write(DATA[10:20])
        self.writer.write(DATA[20:1000])
        self.assertEqual(self.digests().sha256, hashlib.sha256(DATA[:1000]).digest())

    def test_not_read_again(self) -> None:
        """A file that was written from its beginning is not read again."""
        for md5 in (False, True):
            self.begin(md5=md5, readable=False)
            self.writer.write(DATA[:10])
            self.writer.write(DATA[10:20])
            digests = self.digests()
            self.assertEqual(digests.sha256, hashlib.sha256(DATA[:20]).digest())
            self.assertEqual(digests.md5, hashlib.md5(DATA[:20]).digest() if md5 else None)

    def test_md5_wanted_later(self) -> None:
        """An MD5 that is wanted later is about all of the file as well."""
        for written_before in (False, True):
            self.begin(md5=False)
            self.writer.write(DATA[:10])
            if written_before:
                self.settle()
            self.writer.want_md5()
            self.settle()
            self.writer.write(DATA[10:1000])
            digests = self.digests()
            self.assertEqual(digests.sha256, hashlib.sha256(DATA[:1000]).digest())
            self.assertEqual(digests.md5, hashlib.md5(DATA[:1000]).digest())

    def test_md5_wanted_again(self) -> None:
        """What has been hashed already is not read again for that."""
        self.begin(md5=True, readable=False)
        self.writer.write(DATA[:10])
        self.settle()
        self.writer.want_md5()
        self.assertEqual(self.digests().md5, hashlib.md5(DATA[:10]).digest())

    def test_file_cut(self) -> None:
        """A file that is shorter than it was has no digests."""
        os.truncate(self.fd, 5)
        asked = Deferred.fromCoroutine(self.writer.digests())
        self.settle()
        self.failureResultOf(asked, OSError)
