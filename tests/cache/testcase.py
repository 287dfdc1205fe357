"""What the tests of the cache as a whole have in common: a gateway's cache, a store, devices."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.artifacts import ArtifactCache, OpenArtifact
from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.index import Index
from menderproxy.cache.inspection import Inspection
from menderproxy.cache.patience import Patience
from menderproxy.cache.reader import Reader
from menderproxy.cache.room import Limits
from menderproxy.wire.store_url import StoreURL
from tests.cache.fakes import LINK, FakeBody, FakeStore, SteppedThreads, StoredObject, not_none

PATIENCE = Patience()
TODAY = 1_700_000_000.0


class Device:
    """
    Takes an artifact, or a range of it, as fast as the cache gives it.

    :ivar received: the bytes so far.
    :ivar artifact: what it opened, once that is there.
    :ivar failure: why it got no further.
    :ivar wakes: how often it was told that there is more.
    """

    def __init__(
        self,
        opening: Deferred[OpenArtifact],
        first: int = 0,
        last: int | None = None,
        step: int = 0,
    ):
        self.received = b""
        self.artifact: OpenArtifact | None = None
        self.failure: Exception | None = None
        self.finished = False
        self.wakes = 0
        self.paused = False
        self.first = first
        self.last = last
        self._step = step or 1 << 16
        self._reader: Reader | None = None
        self._waiting: Deferred[Any] | None = None
        self.opening = opening.addCallbacks(self._opened, self._failed)

    def _opened(self, artifact: OpenArtifact) -> None:
        self.artifact = artifact
        last = artifact.meta.length - 1 if self.last is None else self.last
        self._reader = artifact.reader(self.first, last)
        self._take()

    def _take(self, _: object = None) -> None:
        self._waiting = None
        reader = self._reader
        while reader is not None and not self.paused:
            if not reader.remaining:
                self._over()
                self.finished = True
                return
            if not reader.available:
                self._wait_for(reader.grown(), self._woken)
                return
            buffer = bytearray(self._step)
            count = reader.read_into(memoryview(buffer))
            if not count:
                self._wait_for(reader.warm(self._step), self._take)
                return
            reader.advance(count)
            self.received += buffer[:count]

    def _wait_for(self, deferred: Deferred[Any], then: Callable[[Any], None]) -> None:
        self._waiting = deferred
        deferred.addCallbacks(then, self._failed)

    def _woken(self, _: object) -> None:
        self.wakes += 1
        self._take()

    def _failed(self, failure: Failure) -> None:
        self._waiting = None
        if self.failure is None:
            assert isinstance(failure.value, Exception)
            self.failure = failure.value
        self._over()

    def go_on(self) -> None:
        """End a pause."""
        self.paused = False
        self._take()

    def leave(self) -> None:
        """Go away, at any time."""
        self.paused = True
        self.opening.cancel()
        if self._waiting is not None:
            self._waiting.cancel()
        self._over()

    def _over(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
            assert self.artifact is not None
            self.artifact.close()


class CacheTestCase(SynchronousTestCase):
    """
    Has a started cache on a directory of its own, in front of a store.

    :cvar limits: what the cache may take.
    :cvar inspector: makes what looks at its artifacts, if anything does.
    """

    limits = Limits()
    inspector: Callable[[Index], Inspection] | None = None

    def setUp(self) -> None:
        """Make them."""
        self.clock = Clock()
        self.today = TODAY
        self.jitter = 1.0
        self.path = Path(self.mktemp())
        self.boot_id = "this boot"
        self.store = FakeStore()
        self.devices: list[Device] = []
        self.crashed = False
        self.start()
        self.addCleanup(self.wind_up)

    def start(self) -> None:
        """Start a process on the directory."""
        self.threads = SteppedThreads()
        self.directory = CacheDirectory(self.path, self.boot_id, self.now)
        self.cache = ArtifactCache(
            self.clock,
            self.directory,
            self.threads,
            self.store.fetch,
            now=self.now,
            jitter=lambda: self.jitter,
            patience=PATIENCE,
            limits=self.limits,
            inspector=self.inspector,
        )
        self.cache.startService()

    def now(self) -> float:
        """Unix time."""
        return self.today + self.clock.seconds()

    def stop(self) -> None:
        """Stop the process."""
        stopping = Deferred.fromCoroutine(self.cache.stop())
        self.settle()
        self.successResultOf(stopping)

    def crash(self) -> None:
        """Let the process vanish as after kill -9: what it wrote stays, and no more is done."""
        self.crashed = True
        self.directory.release()
        for call in list(self.clock.getDelayedCalls()):
            call.cancel()
        self.devices.clear()
        self.store.requests.clear()

    def wind_up(self) -> None:
        """Nothing is left of the cache: no timers, no work, and no open files of its own."""
        for device in self.devices:
            device.leave()
        self.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(list(self.threads.names), [])
        if not self.crashed:
            self.assertEqual(open_files(self.path), [])

    def settle(self) -> None:
        """Do all that can be done without time going by."""
        self.clock.advance(0)
        while self.threads.jobs:
            self.threads.step()
            self.clock.advance(0)

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.settle()
        self.clock.advance(seconds)
        self.settle()

    def device(
        self, url: StoreURL = LINK, first: int = 0, last: int | None = None, step: int = 0
    ) -> Device:
        """Let a device ask for an artifact."""
        device = Device(self.opening(url), first, last, step)
        self.devices.append(device)
        self.settle()
        return device

    def opening(self, url: StoreURL = LINK) -> Deferred[OpenArtifact]:
        """Begin to open an artifact."""
        return Deferred.fromCoroutine(self.cache.open(url, "release-2"))

    def begin(self, thing: StoredObject) -> tuple[Device, FakeBody]:
        """Let the first device ask for an artifact, and the store answer."""
        device = self.device()
        body = self.store.last.serve(thing)
        self.settle()
        return device, body

    def store_whole(self, url: StoreURL, thing: StoredObject) -> None:
        """Bring an artifact into the cache."""
        device = self.device(url)
        self.store.last.serve(thing)
        self.settle()
        self.finish(device)

    def finish(self, device: Device) -> None:
        """Let the store send all that is left in answer to its last request."""
        not_none(self.store.last.body).finish()
        self.wait(1)
        self.assertTrue(device.finished)

    def cut(self, body: FakeBody) -> None:
        """Cut the store's connection, and wait for the next request."""
        before = len(self.store.requests)
        body.cut()
        self.wait(PATIENCE.longest_retry)
        self.assertEqual(len(self.store.requests), before + 1)

    def files(self) -> list[str]:
        """The names of all files in the cache's directory, but for lock and deleted ones."""
        found = (path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if path.parts[0] not in ("lock", "deleted"))


def open_files(directory: Path) -> list[str]:
    """What this process has open in a directory, deleted or not."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(descriptor))
    return [path for path in found if path.startswith(f"{directory.resolve()}/")]
