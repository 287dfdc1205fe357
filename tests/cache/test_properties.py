"""Whatever happens in whatever order: every device gets the artifact's bytes, each fetched once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
from hypothesis import given
from hypothesis import strategies as st

from menderproxy.cache import inflow as inflow_module
from menderproxy.cache import writer as writer_module
from menderproxy.wire.remote import RemoteObject
from tests.cache.fakes import KEY, LINK, FakeBody, StoredObject, content
from tests.cache.testcase import PATIENCE, CacheTestCase, Device
from tests.wire.properties import examples

SIZE = 3000
THING = StoredObject(content(SIZE))
NEWER = StoredObject(content(SIZE, seed=1), etag='"v2"')

Step = tuple[str, int, int]

numbers = st.integers(0, SIZE)


def steps(*names: str) -> st.SearchStrategy[list[Step]]:
    """Any sequence of steps, each a method's name with two numbers for it."""
    return st.lists(st.tuples(st.sampled_from(names), numbers, numbers), min_size=20, max_size=60)


DEVICES = ("join", "leave", "pause", "go_on")
LINE = ("ask", "ask", "send", "send", "send", "cut", "cut")
MACHINE = ("job", "tick", "settle", "settle")
GOOD = (*DEVICES, *LINE, *MACHINE, "answer", "answer", "answer")
"""What may happen behind a good store; what happens often stands there more than once."""


class AnyOrderTests(CacheTestCase):
    """Steps in any order, with all pieces made small so that all kinds of them occur."""

    def setUp(self) -> None:
        """Make them small."""
        super().setUp()
        self.patch(writer_module, "BATCH", 200)
        self.patch(writer_module, "SYNC_STEP", 700)
        self.patch(inflow_module, "HIGH_WATER", 600)
        self.patch(inflow_module, "LOW_WATER", 100)

    thing = THING.right_sha256
    newer = NEWER.right_sha256

    def anew(self) -> None:
        """Begin an example with nothing in the cache."""
        self.wind_up()
        self.path = Path(self.mktemp())
        self.store.requests.clear()
        self.devices.clear()
        self.lost = self.sent_before = self.kept_before = 0
        self.start()

    def play(self, some: list[Step], check: Callable[[], None]) -> None:
        """Take the steps after a first device has come; see after each that all is well."""
        self.join(0, None)
        self.settle()
        for name, one, other in some:
            getattr(self, f"do_{name}")(one, other)
            check()

    # What may happen

    def do_settle(self, _: int, __: int) -> None:
        """All threads get their work done."""
        self.settle()

    def do_ask(self, _: int, __: int) -> None:
        """So much time goes by that the store is asked again, if it has to be."""
        self.wait(PATIENCE.longest_retry)

    def do_answer(self, _: int, __: int) -> None:
        """The store answers well."""
        if self.asked():
            self.store.last.serve(self.thing)

    def do_mislead(self, kind: int, offset: int) -> None:
        """The store answers in one of many other ways."""
        if not self.asked():
            return
        request, thing, newer = self.store.last, self.thing, self.newer
        answers: list[tuple[RemoteObject, bytes]] = [
            (thing.head(), thing.data),
            (newer.head(), newer.data),
            (newer.head(206, request.offset), newer.data[request.offset :]),
            (thing.head(206, offset), thing.data[offset:]),
            (attrs.evolve(thing.head(), length=None), thing.data),
            (attrs.evolve(thing.head(), length=SIZE + 1), thing.data),
            *[(RemoteObject(status), b"") for status in (416, 403, 404, 503, 429)],
        ]
        request.reply(*answers[kind % len(answers)])

    def do_lie(self, _: int, offset: int) -> None:
        """The store promises the right bytes, and has others."""
        if self.asked():
            head = self.thing.head(206, self.store.last.offset)
            self.store.last.reply(head, self.thing.data[offset:])

    def do_send(self, size: int, _: int) -> None:
        """The store sends bytes, as long as it is not paused."""
        if self.flowing() is None:
            self.do_answer(0, 0)
            self.settle()
        body = self.flowing()
        if body is not None and not body.paused:
            body.send(size % 300)
            if body.sent == len(body.data):
                body.end()
                self.over = body

    def do_send_wrong(self, size: int, _: int) -> None:
        """The store sends bytes that are not the object's."""
        body = self.flowing()
        if body is not None:
            body.send_other(bytes(size % 100 + 1))

    def do_end(self, certain: int, _: int) -> None:
        """The store ends the body."""
        body = self.flowing()
        if body is not None:
            body.end(certain=certain % 2 == 0)
            self.over = body

    def do_cut(self, _: int, __: int) -> None:
        """The connection breaks."""
        body = self.flowing()
        if body is not None:
            body.cut()
            self.over = body

    def do_job(self, which: int, _: int) -> None:
        """One of the threads gets its work done."""
        if self.threads.jobs:
            self.threads.step(which % len(self.threads.jobs))
        self.clock.advance(0)

    def do_tick(self, tenths: int, _: int) -> None:
        """Time goes by."""
        self.clock.advance(tenths % 100 / 10)

    def do_join(self, first: int, last: int) -> None:
        """One more device asks, for the whole or a part."""
        first, last = sorted((first, last))
        whole = last % 3 == 0 or last >= SIZE or not self.ranges
        self.join(0 if whole else first, None if whole else last)

    def do_leave(self, which: int, _: int) -> None:
        """A device goes away."""
        if self.devices:
            self.devices.pop(which % len(self.devices)).leave()

    def do_pause(self, which: int, _: int) -> None:
        """A device takes no more for now."""
        if self.devices:
            self.devices[which % len(self.devices)].paused = True

    def do_go_on(self, which: int, _: int) -> None:
        """A device takes more."""
        if self.devices:
            device = self.devices[which % len(self.devices)]
            if device.paused:
                device.go_on()

    def do_kill(self, _: int, __: int) -> None:
        """The process is killed, and the next one started."""
        reached = max(offset + sent for offset, sent in [(self.kept_before, 0), *self.served()])
        self.sent_before, self.kept_before = self.sent(), self.kept()
        self.lost += reached - self.kept_before
        self.crash()
        self.start()

    # What is needed for that

    ranges = True
    over: FakeBody | None = None

    def join(self, first: int, last: int | None) -> None:
        """Let a device ask, without any work being done yet."""
        self.devices.append(Device(self.opening(LINK), first, last))

    def asked(self) -> bool:
        """Whether the store has to answer, now or after some time."""
        for _ in range(2):
            if self.store.requests and not self.store.last.answered:
                return True
            self.do_ask(0, 0)
        return False

    def flowing(self) -> FakeBody | None:
        """The body of the newest answer, if it can still send."""
        body = self.store.last.body if self.store.requests else None
        alive = body is not None and body.sink is not None and not body.aborted
        return body if alive and body is not self.over else None

    def served(self) -> list[tuple[int, int]]:
        """Where each answer to this process begins, and how much of it was sent."""
        return [(one.offset, one.body.sent) for one in self.store.requests if one.body is not None]

    def sent(self) -> int:
        """Bytes that crossed from the store, in all."""
        return self.sent_before + sum(sent for _, sent in self.served())

    def kept(self) -> int:
        """Bytes of the artifact that are on the disk."""
        paths = (self.directory.partial_path(KEY), self.directory.object_path(KEY))
        return max(path.stat().st_size if path.exists() else 0 for path in paths)

    def get_well(self) -> None:
        """Let the store answer well until no device waits any more."""
        for device in self.devices:
            self.do_go_on(self.devices.index(device), 0)
        for _ in range(20):
            self.wait(PATIENCE.longest_asked)
            if all(device.finished or device.failure for device in self.devices):
                return
            self.do_answer(0, 0)
            self.settle()
            body = self.flowing()
            if body is not None:
                body.finish()
                self.over = body
        self.fail("a device waits for ever")

    # What has to be true

    def check_prefixes(self) -> None:
        """What each device has so far is what it asked for, in order and without a gap."""
        for device in self.devices:
            wanted = self.thing.data[
                device.first : None if device.last is None else device.last + 1
            ]
            self.assertTrue(wanted.startswith(device.received))
            self.assertIsNone(device.failure)

    def check_versions(self) -> None:
        """What each device has so far is the beginning of the version that it was told of."""
        for device in self.devices:
            if device.artifact is not None:
                whole = self.version(device).data
                self.assertTrue(whole.startswith(device.received))

    def check_whole(self) -> None:
        """What a device takes for the whole artifact is one, and what lies under a final name."""
        path = self.directory.object_path(KEY)
        if path.exists():
            self.assertIn(path.read_bytes(), (self.thing.data, self.newer.data))
        for device in self.devices:
            if device.finished:
                self.assertEqual(device.received, self.version(device).data)

    def version(self, device: Device) -> StoredObject:
        """The version that a device was told of."""
        assert device.artifact is not None
        return self.thing if device.artifact.meta.etag == self.thing.etag else self.newer

    @examples
    @given(steps(*GOOD))
    def test_good_store(self, some: list[Step]) -> None:
        """On a bad line each byte crosses once, and each device gets what it asked for."""
        self.anew()
        self.play(some, self.check_prefixes)
        self.join(0, None)
        self.get_well()
        self.check_prefixes()
        self.assertTrue(all(device.finished for device in self.devices))
        self.assertEqual(self.sent(), SIZE)
        self.assertEqual([Path(name).name for name in self.files()], [KEY, f"{KEY}.json"])

    @examples
    @given(steps(*GOOD, "kill"))
    def test_killed(self, some: list[Step]) -> None:
        """A process that is killed costs what was not in the file yet, and nothing else."""
        self.anew()
        self.play(some, self.check_prefixes)
        self.join(0, None)
        self.get_well()
        self.check_prefixes()
        self.assertEqual(self.sent(), SIZE + self.lost)

    @examples
    @given(steps(*GOOD, "mislead", "mislead", "mislead", "mislead"))
    def test_fickle_store(self, some: list[Step]) -> None:
        """However often an artifact changes, no device gets bytes of two versions of it."""
        self.thing, self.newer = THING, NEWER
        self.check_end(some, self.check_versions)

    @examples
    @given(steps(*GOOD, "mislead", "mislead", "lie", "lie", "send_wrong", "end"))
    def test_bad_store(self, some: list[Step]) -> None:
        """Whatever a store does, no wrong byte gets a final name or completes an artifact."""
        self.thing, self.newer = THING.right_sha256, NEWER.right_sha256
        self.check_end(some, self.check_whole)

    def check_end(self, some: list[Step], check: Callable[[], None]) -> None:
        """Take the steps; once the store is well again, the next device gets the artifact."""
        self.ranges = False
        self.anew()
        self.play(some, check)
        self.get_well()
        # The first ones may still be refused for a bad link, or cut off for what is here already.
        for _ in range(4):
            self.join(0, None)
            self.get_well()
            check()
        self.assertTrue(self.devices[-1].finished)
