"""Tests of artifacts that come straight from their store."""

from __future__ import annotations

from itertools import pairwise

import attrs

from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.wire.remote import RemoteObject
from tests.web.artifact_testcase import DATA, ETAG, HOLD, URL, ArtifactTestCase, whole
from tests.web.device import Device
from tests.web.fakes import FakeAnswer

RESUME = (b"Range", b"bytes=5-")


class PassthroughTests(ArtifactTestCase):
    """Artifacts that a store gives."""

    def test_whole(self) -> None:
        """The whole is passed on with its length and what describes it."""
        answer = FakeAnswer(200, length=10)
        self.store_gives((whole(), answer))
        device = self.get()
        answer.send(DATA[:4])
        self.assertTrue(device.received.endswith(b"\r\n\r\n0123"))
        answer.send(DATA[4:])
        answer.end()
        reply = device.reply()
        self.assertEqual((reply.status, reply.body), (200, DATA))
        self.assertEqual((reply[b"ETag"], reply[b"Accept-Ranges"]), (ETAG.encode(), b"bytes"))
        self.assertEqual(self.stores.asked, [(URL, None)])

    def test_part(self) -> None:
        """A range goes to the store as it came, and its part to the device."""
        for value, first, length in (
            (b"bytes=5-", 5, 5),
            (b"bytes=3-4", 3, 2),
            (b"bytes=-1", 9, 1),
        ):
            answer = FakeAnswer(206, length=length)
            self.store_gives((whole(status=206, first=first), answer))
            device = self.get((b"Range", value))
            answer.send(DATA[first : first + length])
            answer.end()
            reply = device.reply()
            self.assertEqual((reply.status, reply.body), (206, DATA[first : first + length]))
            self.assertEqual(
                reply[b"Content-Range"], b"bytes %d-%d/10" % (first, first + length - 1)
            )
            self.assertEqual(self.stores.asked, [(URL, value)])

    def test_no_range(self) -> None:
        """Several ranges, or what is none, are not shown to the store."""
        for values in ([b"bytes=0-1,5-6"], [b"bytes=0-1", b"bytes=5-6"], [b"bytes=\x0b5-"]):
            self.store_gives((whole(), FakeAnswer(200, length=10)))
            self.get(*((b"Range", value) for value in values))
            self.assertEqual(self.stores.asked, [(URL, None)])

    def test_range_ignored(self) -> None:
        """Of what a store sends from its beginning, a device that resumes gets the rest only."""
        for value in (b"bytes=5-", b"bytes=5-9"):
            for cuts in ((0, 10), (0, 3, 5, 6, 10), (0, 8, 10)):
                answer = FakeAnswer(200, length=10)
                self.store_gives((whole(), answer))
                device = self.get((b"Range", value))
                for first, last in pairwise(cuts):
                    answer.send(DATA[first:last])
                answer.end()
                reply = device.reply()
                self.assertEqual((reply.status, reply.body), (206, DATA[5:]))
                self.assertEqual(reply[b"Content-Range"], b"bytes 5-9/10")
                self.assertEqual(reply[b"Content-Length"], b"5")

    def test_range_ignored_and_cut(self) -> None:
        """Nor does it get an end before the real one."""
        for sent in (DATA[:4], DATA[:7]):
            answer = FakeAnswer(200, length=10)
            self.store_gives((whole(), answer))
            device = self.get(RESUME)
            answer.send(sent)
            answer.end()
            self.assertTrue(device.cut)
            self.assertTrue(device.received.endswith(sent[5:]))

    def test_range_beyond(self) -> None:
        """Where nothing is left of it, it is told so, as by a store that knows ranges."""
        answer = FakeAnswer(200, length=10)
        self.store_gives((whole(), answer))
        self.assertEqual(self.get((b"Range", b"bytes=10-")).reply().status, 416)
        self.assertTrue(answer.aborted)

    def test_middle_ignored(self) -> None:
        """Who wants a piece from the middle gets the whole, as the whole, from such a store."""
        answer = FakeAnswer(200, length=10)
        self.store_gives((whole(), answer))
        device = self.get((b"Range", b"bytes=5-7"))
        answer.send(DATA)
        answer.end()
        self.assertEqual((device.reply().status, device.reply().body), (200, DATA))

    def test_if_range(self) -> None:
        """A range of what is another object by now is asked for again as a whole."""
        part, answer = FakeAnswer(206, length=5), FakeAnswer(200, length=10)
        self.store_gives((whole(status=206, first=5), part), (whole(), answer))
        device = self.get(RESUME, (b"If-Range", b'"other"'))
        self.assertTrue(part.aborted)
        answer.send(DATA)
        answer.end()
        self.assertEqual((device.reply().status, device.reply().body), (200, DATA))
        self.assertEqual([asked for _, asked in self.stores.asked], [b"bytes=5-", None])

    def test_if_range_holds(self) -> None:
        """If it is the same, the part is enough."""
        answer = FakeAnswer(206, length=5)
        self.store_gives((whole(status=206, first=5), answer))
        device = self.get(RESUME, (b"If-Range", ETAG.encode()))
        answer.send(DATA[5:])
        answer.end()
        self.assertEqual(device.reply().status, 206)

    def resume(self, link_age: float, age: float | None) -> tuple[FakeAnswer, Device]:
        """Let a device resume with a link of some age what is an object of some age."""
        answer = FakeAnswer(206, length=5)
        remote = attrs.evolve(whole(status=206, first=5), age=age)
        self.store_gives((remote, answer))
        self.now += link_age
        device = self.get(RESUME)
        self.now -= link_age
        return answer, device

    def test_replaced(self) -> None:
        """A part of what may be younger than the link is never put behind what the device has."""
        for link_age, age in ((60.0, 0.0), (60.0, 58.0), (60.0, 60.0), (0.0, 0.0)):
            answer, device = self.resume(link_age, age)
            self.assertTrue(answer.aborted)
            self.assert_cut_without_answer(device)

    def test_not_replaced(self) -> None:
        """What certainly was there when the link was issued is passed on; undated things, too."""
        for link_age, age in ((60.0, 61.0), (0.0, 1.0), (60.0, None)):
            answer, device = self.resume(link_age, age)
            answer.send(DATA[5:])
            answer.end()
            self.assertEqual(device.reply().body, DATA[5:])

    def test_told_by_the_device(self) -> None:
        """Who says itself what it has a part of is believed, however young that is."""
        answer = FakeAnswer(206, length=5)
        self.store_gives((attrs.evolve(whole(status=206, first=5), age=0.0), answer))
        device = self.get(RESUME, (b"If-Range", ETAG.encode()))
        answer.send(DATA[5:])
        answer.end()
        self.assertEqual((device.reply().status, device.reply().body), (206, DATA[5:]))

    def test_begins_with_another(self) -> None:
        """Who begins only now may have whatever is there."""
        answer = FakeAnswer(200, length=10)
        self.store_gives((attrs.evolve(whole(), age=0.0), answer))
        self.now += 60.0
        device = self.get()
        answer.send(DATA)
        answer.end()
        self.assertEqual(device.reply().body, DATA)

    def test_head(self) -> None:
        """For HEAD, which the link is not signed for, one byte is asked for."""
        for status in (206, 200):
            answer = FakeAnswer(status, length=1)
            self.store_gives((whole(status=status), answer))
            reply = self.get(RESUME, method=b"HEAD").reply(to_head=True)
            self.assertEqual((reply.status, reply[b"Content-Length"]), (200, b"10"))
            self.assertIsNone(reply[b"Content-Range"])
            self.assertTrue(answer.aborted)
            self.assertEqual(self.stores.asked, [(URL, b"bytes=0-0")])

    def test_gone(self) -> None:
        """A device that goes away drops the store's connection."""
        answer = FakeAnswer(200, length=10)
        self.store_gives((whole(), answer))
        device = self.get()
        answer.send(DATA[:4])
        device.hang_up()
        self.assertTrue(answer.aborted)


class BrokenTests(ArtifactTestCase):
    """Stores that do not give what they promised."""

    def test_no_length(self) -> None:
        """Without a length there is nothing to promise: the connection is closed."""
        answer = FakeAnswer(200)
        self.store_gives((attrs.evolve(whole(), length=None), answer))
        self.assert_cut_without_answer(self.get())
        self.assertTrue(answer.aborted)

    def test_cut(self) -> None:
        """What breaks off, or ends before its time, is a broken connection."""
        for breaks in (True, False):
            answer = FakeAnswer(200, length=10)
            self.store_gives((whole(), answer))
            device = self.get()
            answer.send(DATA[:4])
            if breaks:
                answer.break_off(UpstreamUnavailable("cut"))
            else:
                answer.end()
            self.assertTrue(device.cut)
            self.assertTrue(device.received.endswith(b"\r\n\r\n0123"))

    def test_part_of_unknown_length(self) -> None:
        """A part without a length is one to the end, or a broken connection."""
        for value, sent, whole_part in (
            (b"bytes=5-", DATA[5:], True),
            (b"bytes=5-7", b"567", False),
        ):
            answer = FakeAnswer(206)
            self.store_gives((whole(status=206, first=5), answer))
            device = self.get((b"Range", value))
            answer.send(sent)
            answer.end()
            self.assertEqual(device.cut, not whole_part)
            self.assertIn(b"\r\nContent-Range: bytes 5-9/10\r\n", device.received)


class PatienceTests(ArtifactTestCase):
    """Stores that don't give anything now."""

    def refused(self, status: int, *headers: tuple[bytes, bytes]) -> bytes:
        """Ask a store that refuses, and give all that the device got."""
        answer = FakeAnswer(status)
        self.store_gives((RemoteObject(status), answer))
        device = self.get(*headers)
        self.assertTrue(answer.aborted)
        self.assertEqual(len(self.stores.asked), 1)
        self.assertEqual(device.cut, not device.received)
        return device.received

    def test_refused(self) -> None:
        """A refusal is passed on at once; to who resumes it is a closed connection."""
        for status in (403, 404, 416):
            self.assertIn(b" %d " % status, self.refused(status))
        self.assertEqual(self.refused(403, RESUME), b"")
        self.assertIn(b" 404 ", self.refused(404, RESUME))

    def test_waits(self) -> None:
        """A store that is busy, or can't be reached, is asked again and again; the device waits."""
        busy = [(RemoteObject(status), FakeAnswer(status)) for status in (503, 500, 429, 408)]
        answer = FakeAnswer(200, length=10)
        self.store_gives(*busy, UpstreamUnavailable("no route"), (whole(), answer))
        device = self.get()
        asked = []
        for _ in range(100):
            asked.append(len(self.stores.asked))
            self.clock.advance(0.5)
        # 0.5, 1, 2, 4 and 8 seconds later.
        self.assertEqual([asked.index(n) for n in range(1, 7)], [0, 1, 3, 7, 15, 31])
        self.assertEqual((device.received, device.cut), (b"", False))
        self.assertTrue(all(body.aborted for _, body in busy))
        answer.send(DATA)
        answer.end()
        self.assertEqual(device.reply().body, DATA)
        self.assertNotIn("secret", "".join(self.lines))

    def test_gives_up(self) -> None:
        """After some time its connection is closed: it will try again."""
        self.store_gives(*[UpstreamUnavailable("no route")] * 100)
        device = self.get()
        self.pass_time(HOLD - 70)
        self.assertFalse(device.cut)
        self.pass_time(70)
        self.assert_cut_without_answer(device)
        self.assertLess(len(self.stores.asked), 20)

    def test_asked_to_wait(self) -> None:
        """A store's wish to be left alone for a while is respected."""
        busy = RemoteObject(503, retry_after=30.0)
        self.store_gives((busy, FakeAnswer(503)), (whole(), FakeAnswer(200, length=10)))
        self.get()
        self.pass_time(29)
        self.assertEqual(len(self.stores.asked), 1)
        self.pass_time(1)
        self.assertEqual(len(self.stores.asked), 2)

    def test_asked_to_wait_too_long(self) -> None:
        """If that is longer than a device may wait, it is told at once."""
        busy = RemoteObject(503, retry_after=HOLD + 1.0)
        self.store_gives((busy, FakeAnswer(503)))
        self.assert_cut_without_answer(self.get())

    def test_leaves_while_waiting(self) -> None:
        """For a device that went away no store is asked again."""
        self.store_gives(UpstreamUnavailable("no route"))
        self.get().hang_up()
        self.assertEqual(self.clock.getDelayedCalls(), [])
