"""One device's view of an artifact."""

from __future__ import annotations

import errno
import os

import attrs
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.reader import STEP, Reader
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

        def in_memory(fd: int, buffers: list[bytearray], offset: int, flags: int = 0) -> int:
            return preadv(fd, buffers, offset)

        self.patch(os, "preadv", in_memory)

    def let_memory_lack_it(self, code: int = errno.EAGAIN) -> None:
        """Let no byte be in memory, as far as those can tell who do not want to wait."""
        preadv = os.preadv

        def lacking(fd: int, buffers: list[bytearray], offset: int, flags: int) -> int:
            if flags == os.RWF_NOWAIT:
                raise OSError(code, os.strerror(code))
            return preadv(fd, buffers, offset)

        self.patch(os, "preadv", lacking)

    def read(self, reader: Reader, most: int) -> bytes:
        """Read what is in memory."""
        buffer = bytearray(most)
        count = reader.read_into(memoryview(buffer))
        reader.advance(count)
        return bytes(buffer[:count])


class RangeTests(ReaderTestCase):
    """Reading what is here."""

    def test_range(self) -> None:
        """A reader gives its range in order, and never more than asked for."""
        reader = self.reader(10, 109)
        pieces = []
        while reader.remaining:
            self.assertEqual(reader.available, reader.remaining)
            pieces.append(self.read(reader, 30))
        self.assertEqual(b"".join(pieces), DATA[10:110])
        self.assertEqual([len(piece) for piece in pieces], [30, 30, 30, 10])

    def test_not_sent(self) -> None:
        """What did not go out is read again."""
        reader = self.reader(10, 109)
        buffer = bytearray(30)
        for _ in range(2):
            self.assertEqual(reader.read_into(memoryview(buffer)), 30)
            self.assertEqual(buffer, DATA[10:40])
        reader.advance(5)
        reader.read_into(memoryview(buffer))
        self.assertEqual(buffer, DATA[15:45])

    def test_growing(self) -> None:
        """Only what is committed can be read; the rest remains."""
        self.file.whole = False
        self.file.committed = 50
        reader = self.reader(10, 109)
        self.assertEqual((reader.available, reader.remaining), (40, 100))
        self.assertEqual(reader.ready(1000), 40)
        self.assertEqual(self.read(reader, 1000), DATA[10:50])
        self.assertEqual((reader.available, reader.remaining), (0, 60))
        self.assertEqual(reader.ready(1000), 0)

    def test_not_there_yet(self) -> None:
        """A range that begins beyond what is here has nothing available."""
        self.file.whole = False
        self.file.committed = 50
        self.assertEqual(self.reader(60, 70).available, 0)

    def test_counted(self) -> None:
        """What went out is counted, and not what was only read."""
        reader = self.reader()
        reader.read_into(memoryview(bytearray(100)))
        self.assertEqual(self.statistics.served, 0)
        reader.advance(60)
        self.assertEqual(self.statistics.served, 60)

    def test_use(self) -> None:
        """The file is in use until the last reader is closed; closing one twice does no harm."""
        one, two = self.reader(), self.reader()
        one.close()
        one.close()
        os.fstat(self.fd)
        two.close()
        self.assertRaises(OSError, os.fstat, self.fd)


class ReadyTests(ReaderTestCase):
    """How much of a file is in memory."""

    def let_memory_have(self, up_to: int) -> None:
        """Let the first so many bytes be in memory."""
        preadv = os.preadv

        def partly(fd: int, buffers: list[bytearray], offset: int, flags: int) -> int:
            if offset >= up_to:
                raise BlockingIOError(errno.EAGAIN, "")
            return preadv(fd, buffers, offset)

        self.patch(os, "preadv", partly)

    def big_reader(self) -> Reader:
        """Read a file of several steps."""
        length = 5 * STEP
        os.truncate(self.fd, length)
        self.file.meta = attrs.evolve(self.file.meta, length=length)
        self.file.committed = length
        return self.reader(0, length - 1)

    def test_all(self) -> None:
        """All that is asked for, when memory has it."""
        self.assertEqual(self.big_reader().ready(3 * STEP + 7), 3 * STEP + 7)

    def test_some(self) -> None:
        """The steps that memory has from one end to the other."""
        reader = self.big_reader()
        self.let_memory_have(2 * STEP + 100)
        self.assertEqual(reader.ready(4 * STEP), 2 * STEP)

    def test_none(self) -> None:
        """Nothing, when the first byte is missing, or the end of the first step."""
        reader = self.big_reader()
        self.let_memory_have(100)
        self.assertEqual(reader.ready(STEP), 0)
        self.let_memory_have(0)
        self.assertEqual(reader.ready(1), 0)


class WarmingTests(ReaderTestCase):
    """Reading what is not in memory."""

    def test_not_in_memory(self) -> None:
        """Bytes that the disk would have to be waited for are brought into memory by a thread."""
        self.let_memory_lack_it()
        reader = self.reader(10, 109)
        self.assertEqual(reader.ready(30), 0)
        self.assertEqual(self.read(reader, 30), b"")
        warming = reader.warm(30)
        self.assertNoResult(warming)
        self.threads.step()
        self.successResultOf(warming)
        self.assertEqual(reader.ready(30), 30)
        self.assertEqual(self.read(reader, 30), DATA[10:40])
        self.assertEqual(reader.remaining, 70)

    def test_cannot_tell(self) -> None:
        """A file system that can't tell what is in memory is read in a thread as well."""
        self.let_memory_lack_it(errno.EOPNOTSUPP)
        reader = self.reader()
        self.assertEqual(reader.ready(30), 0)
        warming = reader.warm(LENGTH)
        self.threads.step()
        self.successResultOf(warming)
        self.assertEqual(reader.ready(LENGTH), LENGTH)

    def test_more_than_that(self) -> None:
        """Who asks for more than a thread has brought gets that, and not nothing."""
        self.let_memory_lack_it(errno.EOPNOTSUPP)
        reader = self.reader()
        warming = reader.warm(100)
        self.threads.step()
        self.successResultOf(warming)
        reader.advance(30)
        self.assertEqual(reader.ready(LENGTH), 70)

    def test_closed_meanwhile(self) -> None:
        """A device that goes away while a thread reads does not pull the file from under it."""
        reader = self.reader()
        warming = reader.warm(30)
        warming.cancel()
        reader.close()
        self.failureResultOf(warming, CancelledError)
        os.fstat(self.fd)
        self.threads.step()
        self.assertRaises(OSError, os.fstat, self.fd)

    def test_disk_fails(self) -> None:
        """A failing disk is told to who reads, and the file is closed all the same."""

        def pread(*_: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(os, "pread", pread)
        reader = self.reader()
        warming = reader.warm(30)
        self.threads.step()
        self.failureResultOf(warming, OSError)
        reader.close()
        self.assertRaises(OSError, os.fstat, self.fd)

    def test_fails_again(self) -> None:
        """A disk that fails on what was in memory a moment ago is told as well."""
        reader = self.reader()
        warming = reader.warm(30)
        self.threads.step()
        self.successResultOf(warming)

        def preadv(*_: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(os, "preadv", preadv)
        self.assertRaises(OSError, reader.read_into, memoryview(bytearray(30)))

    def test_short_file(self) -> None:
        """A file that became shorter breaks off; it does not end the artifact."""
        os.truncate(self.fd, 50)
        reader = self.reader(40, 99)
        warming = reader.warm(60)
        self.threads.step()
        self.failureResultOf(warming, OSError)
        self.assertEqual(reader.remaining, 60)

    def test_cut_within(self) -> None:
        """A file that became shorter within the range gives what there is, and then nothing."""
        os.truncate(self.fd, 50)
        reader = self.reader(40, 99)
        self.assertEqual(self.read(reader, 100), DATA[40:50])
        self.assertEqual(self.read(reader, 100), b"")
        self.assertEqual(reader.ready(10), 0)
