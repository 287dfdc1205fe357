"""Room for one more artifact."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

from menderproxy.cache import directory as directory_module
from menderproxy.cache.errors import CacheUnusable
from menderproxy.cache.fallocate import reserve
from menderproxy.cache.index import LINGER
from menderproxy.cache.room import Limits
from menderproxy.wire.store_url import StoreURL
from tests.cache.fakes import StoredObject, content, not_none
from tests.cache.testcase import CacheTestCase, Device

SIZE = 16_384
RESERVE = 131_072


def link(number: int) -> StoreURL:
    """A link to one of many artifacts."""
    return StoreURL.parse(f"https://store.example/{number}?signature=x")


def thing(number: int, size: int = SIZE) -> StoredObject:
    """What it leads to."""
    return StoredObject(content(size, number))


class RoomTestCase(CacheTestCase):
    """Has artifacts 0, 1, 2 … in the cache."""

    def fill(self, count: int) -> None:
        """Bring in so many artifacts, one after the other."""
        for number in range(count):
            self.store_whole(link(number), thing(number))
            self.wait(LINGER * 3)

    def held(self, count: int = 9) -> list[int]:
        """Which of them are here, by the index and on the disk."""
        held = [number for number in range(count) if self.cache.holds(link(number))]
        on_disk = {path.name for path in self.path.glob("objects/??/*") if not path.suffix}
        self.assertEqual(on_disk, set(self.cache.index.entries))
        return held

    def ask(self, number: int, size: int = SIZE) -> Device:
        """Let a device ask for one of them, and the store begin to send it."""
        device = self.device(link(number))
        self.store.last.serve(thing(number, size))
        self.settle()
        return device

    def check_refused(self, device: Device) -> None:
        """The device was told that it can't be cached."""
        self.assertIsInstance(device.failure, CacheUnusable)


class MaxSizeTests(RoomTestCase):
    """No more than three of them may lie in the cache."""

    limits = Limits(max_size=3 * SIZE)

    def test_oldest_goes(self) -> None:
        """The one served longest ago goes, when the next one begins."""
        self.fill(3)
        self.device(link(0))
        self.wait(LINGER * 3)
        self.assertEqual(self.held(), [0, 1, 2])
        self.finish(self.ask(3))
        self.assertEqual(self.held(), [0, 2, 3])

    def test_oldest_goes_after_restart(self) -> None:
        """The next process knows which one that is."""
        self.fill(3)
        self.device(link(0))
        self.wait(LINGER * 3)
        self.stop()
        self.start()
        self.finish(self.ask(3))
        self.assertEqual(self.held(), [0, 2, 3])
        self.finish(self.ask(4))
        self.assertEqual(self.held(), [0, 3, 4])

    def test_never_in_use(self) -> None:
        """One that is being served stays, though it is the oldest."""
        self.fill(3)
        opened = self.opening(link(0))
        self.settle()
        self.wait(LINGER * 3)
        self.device(link(1))
        self.device(link(2))
        self.ask(3)
        self.assertEqual(len(self.held()), 3)
        self.assertIn(0, self.held())
        self.successResultOf(opened).close()

    def test_never_while_opening(self) -> None:
        """So does one that a device is about to open."""
        self.fill(3)
        self.device(link(3))
        opening = self.opening(link(0))
        self.store.last.serve(thing(3))
        while len(self.threads.jobs) > 1 or self.held(3) == [0, 1, 2]:
            self.threads.step(1)
            self.clock.advance(0)
        self.assertEqual(self.held(), [0, 2, 3])
        self.settle()
        self.successResultOf(opening).close()

    def test_never_in_flight(self) -> None:
        """Those in flight count with their whole length, and stay."""
        devices = [self.ask(number) for number in range(3)]
        refused = self.ask(3)
        self.check_refused(refused)
        for device in devices:
            self.assertIsNone(device.failure)

    def test_lingering(self) -> None:
        """One that nobody uses goes, even if its file is still open for the next range."""
        self.fill(3)
        for number in (2, 0, 1):
            self.device(link(number))
            self.wait(1)
        self.ask(3)
        self.assertEqual(self.held(), [0, 1, 3])

    def test_too_big(self) -> None:
        """What would never fit is refused, and nothing goes for it."""
        self.fill(3)
        self.check_refused(self.ask(3, 3 * SIZE + 1))
        self.assertEqual(self.held(), [0, 1, 2])

    def test_just_fits(self) -> None:
        """What fits alone gets all the room."""
        self.fill(3)
        self.ask(3, 3 * SIZE)
        self.assertEqual(self.held(), [3])

    def test_leftovers(self) -> None:
        """What an earlier process had in flight goes like all else."""
        self.fill(2)
        self.ask(2)
        not_none(self.store.last.body).send(100)
        self.stop()
        self.start()
        self.check_leftover_goes()

    def test_resumed(self) -> None:
        """Going on with one needs room like beginning one, if there may be less by now."""
        self.fill(2)
        self.ask(2)
        not_none(self.store.last.body).send(100)
        self.stop()
        self.limits = Limits(max_size=2 * SIZE)
        self.start()
        self.device(link(2))
        self.assertEqual(self.held(), [1, 2])
        self.assertEqual(self.store.last.offset, 100)

    def test_no_room_to_go_on(self) -> None:
        """When there is none, it is refused; no file and no descriptor is left."""
        self.ask(2)
        not_none(self.store.last.body).send(100)
        self.stop()
        self.limits = Limits(max_size=SIZE - 1)
        self.start()
        self.check_refused(self.device(link(2)))
        self.assertEqual(self.files(), [])

    def test_left_by_this_process(self) -> None:
        """So does what a download of this very process left when it was given up."""
        self.fill(2)
        self.ask(2)
        body = not_none(self.store.last.body)
        body.send(100)
        self.cut(body)
        self.store.last.refuse(404)
        self.settle()
        self.check_leftover_goes()

    def check_leftover_goes(self) -> None:
        """The third artifact takes room, is the one used longest ago, and goes."""
        self.assertEqual(self.held(), [0, 1, 2])
        self.assertGreater(self.cache.index.bytes_used, 2 * SIZE)
        self.today += 10**9
        self.device(link(0))
        self.device(link(1))
        self.finish(self.ask(3))
        self.assertEqual(self.held(), [0, 1, 3])
        self.assertEqual([name for name in self.files() if name.startswith("partial")], [])


class MinFreeTests(RoomTestCase):
    """The file system has little left."""

    limits = Limits(min_free=RESERVE)

    def setUp(self) -> None:
        """Have it say so: what we have stored and reserved takes from it."""
        self.capacity = 10**9
        self.inodes = 10**6
        super().setUp()
        self.patch(os, "statvfs", lambda _: self.status())

    def status(self) -> SimpleNamespace:
        """What it has left."""
        taken = sum(
            path.stat().st_blocks * 512 for path in self.path.glob("*/*/*") if not path.suffix
        )
        taken += sum(path.stat().st_blocks * 512 for path in self.path.glob("partial/*.part"))
        free = max(0, self.capacity - taken)
        return SimpleNamespace(f_bavail=free // 512, f_frsize=512, f_files=1, f_favail=self.inodes)

    def test_kept_free(self) -> None:
        """So many bytes stay free."""
        self.fill(3)
        self.capacity = RESERVE + 3 * SIZE
        self.finish(self.ask(3))
        self.assertEqual(self.held(), [1, 2, 3])

    def test_too_big(self) -> None:
        """What would never fit is refused, and nothing goes for it."""
        self.fill(3)
        self.capacity = RESERVE + 3 * SIZE
        self.check_refused(self.ask(3, 3 * SIZE + 512))
        self.assertEqual(self.held(), [0, 1, 2])

    def test_inodes(self) -> None:
        """When no more files can be made, one artifact goes; without such a limit none does."""
        self.fill(3)
        self.inodes = 3
        self.finish(self.ask(3))
        self.assertEqual(self.held(), [1, 2, 3])

    def test_resumed(self) -> None:
        """The rest of what an earlier process began counts, what it has already does not."""
        self.fill(2)
        self.ask(2)
        not_none(self.store.last.body).send(SIZE // 2)
        self.stop()
        self.start()
        self.capacity = RESERVE + 3 * SIZE
        self.device(link(2))
        self.assertEqual(self.held(), [0, 1, 2])
        self.assertEqual(self.store.last.offset, SIZE // 2)
        self.store.last.serve(thing(2))
        self.settle()


class FullTests(RoomTestCase):
    """The file system says that it is full when a file is made."""

    def let_reserving_fail(self, code: int, times: int) -> None:
        """Let the next reservations fail."""
        left = [code] * times

        def failing(fd: int, length: int) -> bool:
            if left:
                raise OSError(left.pop(), "no")
            return reserve(fd, length)

        self.patch(directory_module, "reserve", failing)

    def test_evicts(self) -> None:
        """Artifacts go, oldest first, until there is room."""
        self.fill(3)
        for code in (errno.ENOSPC, errno.EDQUOT):
            self.let_reserving_fail(code, 1)
            self.finish(self.ask(3 if code == errno.ENOSPC else 4))
            self.wait(LINGER * 3)
        self.assertEqual(self.held(), [2, 3, 4])

    def test_nothing_left(self) -> None:
        """When there is none left to go, it is refused; no file and no descriptor is left."""
        self.fill(1)
        self.let_reserving_fail(errno.ENOSPC, 2)
        self.check_refused(self.ask(3))
        self.assertEqual(self.files(), [])

    def test_broken(self) -> None:
        """A disk that fails otherwise costs no artifact."""
        self.fill(1)
        for code in (errno.EIO, errno.EROFS):
            self.let_reserving_fail(code, 1)
            self.check_refused(self.ask(3))
        self.assertEqual(self.held(), [0])


class TurnTests(RoomTestCase):
    """Several artifacts at once."""

    limits = Limits(max_size=2 * SIZE)

    def test_no_overbooking(self) -> None:
        """Of three that begin at the same time only two get room."""
        devices = [self.device(link(number)) for number in range(3)]
        for number, request in enumerate(self.store.requests):
            request.serve(thing(number))
        self.settle()
        refused = [device for device in devices if device.failure is not None]
        self.assertEqual(len(refused), 1)
        self.check_refused(refused[0])
