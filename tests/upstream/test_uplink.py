"""Downloads leave something of the line, and wait for each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.upstream.stores import StoreAnswer, Stores
from menderproxy.upstream.uplink import Uplink
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.store_url import StoreURL
from tests.upstream.bodies import FakeBody
from tests.upstream.sink import Sink

LINK = StoreURL.parse("https://store.example/artifact?signature=s3cret")
HEAD = RemoteObject(status=200, length=1_000_000)


class FakeStores:
    """Stores that answer when the test does."""

    def __init__(self) -> None:
        self.asked: list[Deferred[StoreAnswer]] = []
        self.ranges: list[bytes | None] = []

    def fetch(self, url: StoreURL, range_header: bytes | None = None) -> Deferred[StoreAnswer]:
        """Take note of a request."""
        assert url == LINK
        self.asked.append(Deferred())
        self.ranges.append(range_header)
        return self.asked[-1]

    def answer(self, number: int) -> FakeBody:
        """Answer one of them; gives the body."""
        body = FakeBody()
        self.asked[number].callback(StoreAnswer(HEAD, body))
        return body


class UplinkTestCase(SynchronousTestCase):
    """Has a line to some stores."""

    def setUp(self) -> None:
        """Make them."""
        self.clock = Clock()
        self.stores = FakeStores()

    def uplink(self, *, rate: int = 0, at_once: int = 0) -> Uplink:
        """Make the line."""
        return Uplink(self.clock, cast(Stores, self.stores), rate=rate, at_once=at_once)

    def begin(
        self, fetch: Callable[[StoreURL, bytes | None], Awaitable[StoreAnswer]], count: int = 1
    ) -> list[Deferred[StoreAnswer]]:
        """Fetch so many."""

        async def fetched() -> StoreAnswer:
            return await fetch(LINK, b"bytes=7-")

        begun = [Deferred.fromCoroutine(fetched()) for _ in range(count)]
        for fetching in begun:
            self.addCleanup(give_up, fetching)
        return begun


def give_up(fetching: Deferred[StoreAnswer]) -> None:
    """End a fetch, lest the garbage collector does so in the middle of another test."""
    fetching.addErrback(lambda failure: failure.trap(CancelledError))
    fetching.cancel()


class UnlimitedTests(UplinkTestCase):
    """Without limits."""

    def test_untouched(self) -> None:
        """All are asked for at once, and bodies come as they are."""
        uplink = self.uplink()
        for fetch in (uplink.fetch, uplink.fetch_in_turn):
            [fetching] = self.begin(fetch)
            body = self.stores.answer(-1)
            self.assertIs(self.successResultOf(fetching).body, body)
        self.assertEqual(self.stores.ranges, [b"bytes=7-"] * 2)


class RateTests(UplinkTestCase):
    """With a rate."""

    def test_all_of_them(self) -> None:
        """It is one rate for all, for those that go past the cache too."""
        uplink = self.uplink(rate=1000)
        bodies = []
        for fetch in (uplink.fetch, uplink.fetch_in_turn):
            [fetching] = self.begin(fetch)
            bodies.append(self.stores.answer(-1))
            answer = self.successResultOf(fetching)
            self.assertEqual((answer.remote, answer.body.length), (HEAD, FakeBody.length))
            answer.body.deliver(Sink())
        for _ in range(2000):
            self.clock.advance(0.05)
            for body in bodies:
                body.send(100)
        self.assertApproximates(sum(body.sent for body in bodies), 100 * 1000, 1000)


class TurnTests(UplinkTestCase):
    """With two downloads at once."""

    def setUp(self) -> None:
        """Ask for four."""
        super().setUp()
        self.line = self.uplink(at_once=2)
        self.fetching = self.begin(self.line.fetch_in_turn, 4)

    def test_wait(self) -> None:
        """The others wait, with no request to a store that would go stale."""
        self.assertEqual(len(self.stores.asked), 2)
        body = self.stores.answer(0)
        self.successResultOf(self.fetching[0]).body.deliver(Sink())
        body.send(10)
        self.assertEqual(len(self.stores.asked), 2)

    def test_ends(self) -> None:
        """A body that is over, in whatever way, lets the next one begin, once."""
        for number, ending in enumerate(("ended", "broken", "aborted")):
            self.begin(self.line.fetch_in_turn)
            body, answer = self.stores.answer(number), self.successResultOf(self.fetching[number])
            sink = Sink()
            if ending == "aborted":
                answer.body.abort()
            else:
                answer.body.deliver(sink)
                body.send(10)
                self.assertEqual(len(sink.data), 10)
            if ending == "ended":
                body.taker.body_ended(certain=True)
            elif ending == "broken":
                body.taker.body_broken(ConnectionError())
            answer.body.abort()
            self.assertTrue(body.aborted)
            self.assertEqual(len(self.stores.asked), number + 3)

    def test_pauses(self) -> None:
        """The sink can pause its body and let it go on."""
        body = self.stores.answer(0)
        watched = self.successResultOf(self.fetching[0]).body
        watched.deliver(Sink())
        watched.pause()
        self.assertTrue(body.paused)
        watched.resume()
        self.assertFalse(body.paused)

    def test_fails(self) -> None:
        """So does a store that can't be had."""
        self.stores.asked[1].errback(UpstreamUnavailable("no route to host"))
        self.failureResultOf(self.fetching[1], UpstreamUnavailable)
        self.assertEqual(len(self.stores.asked), 3)

    def test_cancelled(self) -> None:
        """Who waits no longer gives up its turn, or its place."""
        self.fetching[2].cancel()
        self.failureResultOf(self.fetching[2], CancelledError)
        self.fetching[0].cancel()
        self.failureResultOf(self.fetching[0], CancelledError)
        self.assertEqual(len(self.stores.asked), 3)
        self.stores.answer(2)
        self.successResultOf(self.fetching[3])

    def test_past_the_cache(self) -> None:
        """What goes straight to a device waits for nobody."""
        self.begin(self.line.fetch)
        self.assertEqual(len(self.stores.asked), 3)
