"""Upstreams, bodies and caches whose part a test plays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from menderproxy.cache.artifacts import ArtifactCache, OpenArtifact, Outcome
from menderproxy.cache.deleted import KnownVersion
from menderproxy.cache.meta import ArtifactMeta
from menderproxy.cache.reader import Reader
from menderproxy.upstream.agent import Agent
from menderproxy.upstream.answer import Answer
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.stores import StoreAnswer, Stores
from menderproxy.web.forward import MenderServer
from menderproxy.wire.body import BodySink
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.span import Span
from menderproxy.wire.store_url import StoreURL

ORIGIN = Origin("https", "mender.example", 443)


class FakeBody:
    """
    A body that the test sends; it goes on sending whatever the sink wants.

    :ivar paused: whether the sink wants no more for now.
    :ivar aborted: whether it wants no more at all.
    """

    def __init__(self) -> None:
        self.paused = False
        self.aborted = False
        self.sink: BodySink | None = None

    def send(self, *pieces: bytes) -> None:
        """Send bytes."""
        for piece in pieces:
            if not self.aborted:
                self._taker.body_data(piece)

    def end(self, *, certain: bool = True) -> None:
        """End."""
        if not self.aborted:
            self._taker.body_ended(certain=certain)

    def break_off(self, reason: Exception) -> None:
        """Break off."""
        if not self.aborted:
            self._taker.body_broken(reason)

    @property
    def _taker(self) -> BodySink:
        assert self.sink is not None, "nobody takes the body"
        return self.sink

    def deliver(self, sink: BodySink) -> None:
        """Take note of who takes the body."""
        self.sink = sink

    def pause(self) -> None:
        """Take note."""
        self.paused = True

    def resume(self) -> None:
        """Take note."""
        self.paused = False

    def abort(self) -> None:
        """Take note."""
        self.aborted = True


class FakeAnswer(FakeBody):
    """The head of an answer, and a body that the test sends."""

    def __init__(
        self,
        code: int = 200,
        *headers: tuple[bytes, bytes],
        length: int | None = None,
        phrase: bytes = b"Whatever",
    ):
        super().__init__()
        self.code = code
        self.phrase = phrase
        self.headers = list(headers)
        self.length = length

    def header(self, name: bytes) -> bytes | None:
        """The last value of a header."""
        values = [value for one, value in self.headers if one.lower() == name.lower()]
        return values[-1] if values else None

    def take_whole(self) -> bytes | None:
        """Nothing came with the head."""
        return None


@attrs.define
class Asked:
    """
    A request that reached an upstream.

    :param given_up: whether the gateway wants no answer any more.
    """

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes | None
    given_up: bool = False
    answering: Deferred[FakeAnswer] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Wait for an answer."""
        self.answering = Deferred(lambda _: setattr(self, "given_up", True))

    def answer(self, answer: FakeAnswer) -> FakeAnswer:
        """Answer it."""
        self.answering.callback(answer)
        return answer

    def fail(self, error: Exception) -> None:
        """Let it fail."""
        self.answering.errback(error)

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header."""
        return [value for one, value in self.headers if one.lower() == name.lower()]


class FakeAgent:
    """An upstream that answers when the test does."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    async def request(
        self,
        origin: Origin,
        method: bytes,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | None = None,
    ) -> Answer:
        """Take note of a request."""
        assert origin == ORIGIN
        asked = Asked(method, target, list(headers), body)
        self.asked.append(asked)
        return cast(Answer, await asked.answering)

    @property
    def server(self) -> MenderServer:
        """The Mender Server behind it."""
        return MenderServer(cast(Agent, self), ORIGIN, b"mender.example")


class FakeStores:
    """
    Stores that give what the test has prepared, in its order.

    :ivar asked: the links and ranges that they were asked for.
    """

    def __init__(self, *answers: tuple[RemoteObject, FakeAnswer] | Exception):
        self.asked: list[tuple[StoreURL, bytes | None]] = []
        self._answers = list(answers)

    async def fetch(self, url: StoreURL, range_header: bytes | None = None) -> StoreAnswer:
        """Give the next answer."""
        self.asked.append((url, range_header))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        remote, body = answer
        return StoreAnswer(remote, cast(Answer, body))

    @property
    def stores(self) -> Stores:
        """As what they stand in for."""
        return cast(Stores, self)


class FakeReader:
    """
    A reader of bytes of which only so many are here.

    :ivar available_up_to: how far.
    :ivar cold: whether reading them takes a thread.
    :ivar failing: what reading them ends with.
    """

    def __init__(self, data: bytes, first: int = 0, last: int | None = None):
        self.data = data
        self.available_up_to = len(data)
        self.cold = False
        self.closed = False
        self.reading: Deferred[None] | None = None
        self.asked = 0
        self.warm_up_to = 0
        self.failing: OSError | None = None
        self.growing: Deferred[None] | None = None
        self.cancelled = 0
        self.position = first
        self.end = len(data) if last is None else last + 1

    @property
    def remaining(self) -> int:
        """Bytes still to be read."""
        return self.end - self.position

    @property
    def available(self) -> int:
        """Bytes that can be read now."""
        return max(0, min(self.end, self.available_up_to) - self.position)

    fd = 3

    def ready(self, most: int) -> int:
        """Bytes that are in memory."""
        here = self.warm_up_to if self.cold else self.end
        return max(0, min(most, self.available, here - self.position))

    def read_into(self, buffer: memoryview) -> int:
        """Copy the next bytes."""
        assert not self.closed
        if self.failing is not None:
            raise self.failing
        size = self.ready(len(buffer))
        buffer[:size] = self.data[self.position : self.position + size]
        return size

    def advance(self, count: int) -> None:
        """Go on behind what went out."""
        self.position += count

    def warm(self, most: int) -> Deferred[None]:
        """Bring bytes into memory when the test says so."""
        assert self.reading is None and not self.closed
        self.asked = min(most, self.available)
        self.reading = Deferred(self._cancelled)
        return self.reading

    def warmed(self) -> None:
        """Let the thread have read what it was asked for."""
        reading, self.reading = self.reading, None
        assert reading is not None
        self.warm_up_to = self.position + self.asked
        reading.callback(None)

    def grown(self) -> Deferred[None]:
        """Wait for more."""
        assert self.growing is None and not self.closed
        self.growing = Deferred(self._cancelled)
        return self.growing

    def grow(self, available_up_to: int) -> None:
        """Let more bytes be here."""
        self.available_up_to = available_up_to
        growing, self.growing = self.growing, None
        assert growing is not None
        growing.callback(None)

    def close(self) -> None:
        """Take note."""
        self.closed = True

    def _cancelled(self, _: object) -> None:
        self.cancelled += 1


META = ArtifactMeta(
    key="0" * 64,
    source="https://store.example/bucket/one",
    name="release-2",
    length=10,
    etag='"tag"',
    last_modified="Tue, 14 Nov 2023 22:13:20 GMT",
    content_type="application/vnd.mender-artifact",
)


class FakeArtifact:
    """
    An open artifact.

    :ivar readers: those that were asked for.
    :ivar readers_have: how many bytes are here for each new one.
    """

    def __init__(self, data: bytes, meta: ArtifactMeta = META):
        self.data = data
        self.meta = attrs.evolve(meta, length=len(data))
        self.readers: list[FakeReader] = []
        self.readers_have = len(data)
        self.outcome = Outcome.JOINED
        self.closed = False

    def reader(self, first: int, last: int) -> Reader:
        """Read a range."""
        reader = FakeReader(self.data, first, last)
        reader.available_up_to = self.readers_have
        self.readers.append(reader)
        return cast(Reader, reader)

    def close(self) -> None:
        """Take note."""
        self.closed = True


class FakeCache:
    """
    A cache that opens what the test gives it, or fails, or lets devices wait.

    :ivar opening: what :meth:`open` gives.
    :ivar held: the keys of what is here.
    :ivar newest: the newest link, if there is a newer one.
    :ivar was_here: what :meth:`known` gives.
    """

    def __init__(self, opening: FakeArtifact | Exception | None = None):
        self.opened: list[StoreURL] = []
        self.held: set[str] = set()
        self.newest: StoreURL | None = None
        self.was_here: KnownVersion | None = None
        self.waiting: Deferred[FakeArtifact] = Deferred()
        if isinstance(opening, Exception):
            self.waiting = fail(opening)
        elif opening is not None:
            self.waiting = succeed(opening)

    def holds(self, url: StoreURL) -> bool:
        """Whether it is here."""
        return url.cache_key in self.held

    def freshest(self, url: StoreURL) -> StoreURL:
        """The newest link."""
        return url if self.newest is None else self.newest

    async def known(self, url: StoreURL) -> KnownVersion | None:
        """What was here."""
        return self.was_here

    async def open(self, url: StoreURL, name: str) -> OpenArtifact:
        """Open it."""
        self.opened.append(url)
        return cast(OpenArtifact, await self.waiting)

    @property
    def cache(self) -> ArtifactCache:
        """As what it stands in for."""
        return cast(ArtifactCache, self)


class FakeRequest:
    """
    A request as far as an outflow can see it.

    :ivar written: the answer's body.
    :ivar takes_spans: whether its connection sends files.
    :ivar full_after: bytes after which the connection asks for a pause, as with each later write.
    """

    def __init__(self, clock: Clock):
        self.written: list[bytes] = []
        self.full_after: int | None = None
        self.producer: Any = None
        self.takes_spans = False
        self.span: Span | None = None
        self.sentLength = 0
        self.is_open = True
        self.finished = False
        self.aborted = False
        self.site = self
        self.reactor = clock

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take note of who produces."""
        assert streaming and self.producer is None
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Forget it."""
        self.producer = None

    def write(self, data: bytes) -> None:
        """Take bytes, and ask for a pause while there are too many."""
        assert not self.finished
        self.written.append(data)
        if self.full_after is not None and sum(map(len, self.written)) > self.full_after:
            self.producer.pauseProducing()

    def write_span(self, span: Span) -> bool:
        """Take a span, and hold the producer back until :meth:`send_span`."""
        assert self.span is None and not self.finished
        if self.takes_spans:
            self.span = span
            self.producer.pauseProducing()
        return self.takes_spans

    def send_span(self, most: int) -> None:
        """Send so much of the span, then give it back."""
        span, self.span = self.span, None
        assert span is not None
        buffer = bytearray(most)
        count = span.read_into(memoryview(buffer))
        self.written.append(bytes(buffer[:count]))
        span.sent(count)
        self.producer.resumeProducing()

    def finish(self) -> None:
        """End the answer."""
        assert self.producer is None and not self.finished
        self.finished = True

    def abort(self) -> None:
        """Cut the connection."""
        self.aborted = True

    @property
    def body(self) -> bytes:
        """What was written."""
        return b"".join(self.written)
