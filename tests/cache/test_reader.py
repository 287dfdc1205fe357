"""One device's view of an artifact."""

from __future__ import annotations

import errno
import os

import attrs
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.reader import Reader
from menderproxy.cache.statistics import Statistics
from tests.cache.fakes import SteppedThreads, content
from tests.cache.test_meta import META

LENGTH = 1000
DATA = content(LENGTH)


class ReaderTestCase(SynchronousTestCase):
    """Has a file of a thousand bytes, and readers."""

    def setUp(self) -> None:
        """Make it."""
        self.threads = SteppedThreads()
        self.statistics = Statistics()
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(DATA)
        self.fd = os.open(path, os.O_RDWR)
        meta = attrs.evolve(META, length=LENGTH)
        self.file = ArtifactFile(Clock(), self.fd, meta, committed=LENGTH, whole=True)
        self.let_memory_have_it()

    def reader(self, first: int = 0, last: int = LENGTH - 1) -> Reader:
        """Make a reader, which is closed in the end."""
        reader = Reader(self.file, self.threads, first, last, self.statistics)
        self.addCleanup(reader.close)
        return reader

    def let_memory_have_it(self) -> None:
        """Let all bytes be in memory, on a file system that can tell."""
        preadv = os.preadv

        def in_memory(fd: int, buffers: list[bytearray], offset: int, flags: int) -> int:
            self.assertEqual(flags, os.RWF_NOWAIT)
            return preadv(fd, buffers, offset)

        self.patch(os, "preadv", in_memory)

    def let_memory_lack_it(self, code: int = errno.EAGAIN) -> None:
        """Let no byte be in memory."""

        def preadv(*_: object) -> int:
            raise OSError(code, os.strerror(code))

        self.patch(os, "preadv", preadv)


class RangeTests(ReaderTestCase):
    """Reading what is here."""

    def test_range(self) -> None:
        """A reader gives its range in order, and never more than asked for."""
        reader = self.reader(10, 109)
        pieces = []
        while reader.remaining:
            self.assertEqual(reader.available, reader.remaining)
            pieces.append(reader.read(30))
        self.assertEqual(b"".join(map(bytes, filter(None, pieces))), DATA[10:110])
        self.assertEqual([len(piece or b"") for piece in pieces], [30, 30, 30, 10])

    def test_growing(self) -> None:
        """Only what is committed can be read; the rest remains."""
        self.file.whole = False
        self.file.committed = 50
        reader = self.reader(10, 109)
        self.assertEqual((reader.available, reader.remaining), (40, 100))
        self.assertEqual(reader.read(1000), DATA[10:50])
        self.assertEqual((reader.available, reader.remaining), (0, 60))

    def test_not_there_yet(self) -> None:
        """A range that begins beyond what is here has nothing available."""
        self.file.whole = False
        self.file.committed = 50
        self.assertEqual(self.reader(60, 70).available, 0)

    def test_use(self) -> None:
        """The file is in use until the last reader is closed; closing one twice does no harm."""
        one, two = self.reader(), self.reader()
        one.close()
        one.close()
        os.fstat(self.fd)
        two.close()
        self.assertRaises(OSError, os.fstat, self.fd)


class SlowReadTests(ReaderTestCase):
    """Reading what is not in memory."""

    def test_not_in_memory(self) -> None:
        """Bytes that the disk would have to be waited for are read in a thread."""
        self.let_memory_lack_it()
        reader = self.reader(10, 109)
        self.assertIsNone(reader.read(30))
        reading = reader.read_slowly(30)
        self.assertNoResult(reading)
        self.threads.step()
        self.assertEqual(self.successResultOf(reading), DATA[10:40])
        self.assertEqual(reader.remaining, 70)

    def test_cannot_tell(self) -> None:
        """A file system that can't tell what is in memory is read in a thread as well."""
        self.let_memory_lack_it(errno.EOPNOTSUPP)
        self.assertIsNone(self.reader().read(30))

    def test_closed_meanwhile(self) -> None:
        """A device that goes away while a thread reads does not pull the file from under it."""
        reader = self.reader()
        reading = reader.read_slowly(30)
        reading.cancel()
        reader.close()
        self.failureResultOf(reading, CancelledError)
        os.fstat(self.fd)
        self.threads.step()
        self.assertRaises(OSError, os.fstat, self.fd)

    def test_disk_fails(self) -> None:
        """A failing disk is told to who reads, and the file is closed all the same."""

        def pread(*_: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(os, "pread", pread)
        reader = self.reader()
        reading = reader.read_slowly(30)
        self.threads.step()
        self.failureResultOf(reading, OSError)
        reader.close()
        self.assertRaises(OSError, os.fstat, self.fd)

    def test_short_file(self) -> None:
        """A file that became shorter breaks off; it does not end the artifact."""
        os.truncate(self.fd, 50)
        reader = self.reader(60, 99)
        self.assertIsNone(reader.read(10))
        reading = reader.read_slowly(10)
        self.threads.step()
        self.failureResultOf(reading, OSError)
        self.assertEqual(reader.remaining, 40)

    def test_cut_within(self) -> None:
        """A file that became shorter within the range gives what there is before it breaks off."""
        os.truncate(self.fd, 50)
        reader = self.reader(40, 99)
        self.assertEqual(reader.read(100), DATA[40:50])
        self.assertIsNone(reader.read(100))
