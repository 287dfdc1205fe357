"""A store, its bodies and the cache's threads, whose part a test plays."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import attrs
from twisted.internet.defer import Deferred, maybeDeferred

from menderproxy.wire.body import BodySink
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.store_url import StoreURL

P = ParamSpec("P")
T = TypeVar("T")

LINK = StoreURL.parse("https://store.example/bucket/one?signature=first")
FRESHER = StoreURL.parse("https://store.example/bucket/one?signature=second")
OTHER = StoreURL.parse("https://store.example/bucket/two?signature=third")
KEY = LINK.cache_key


class SteppedThreads:
    """Threads that do their work when the test says so, in the order it likes."""

    def __init__(self) -> None:
        self.jobs: deque[Callable[[], object]] = deque()
        self.names: deque[str] = deque()

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Have *work* done later."""
        done: Deferred[T] = Deferred()
        self.jobs.append(lambda: maybeDeferred(work, *args, **kwargs).chainDeferred(done))
        self.names.append(getattr(work, "__name__", repr(work)))
        return done

    def step(self, which: int = 0) -> None:
        """Do one of the jobs; the oldest is the first."""
        job = self.jobs[which]
        del self.jobs[which], self.names[which]
        job()


class FakeBody:
    """
    A body that the test sends, of bytes that it knows.

    :param data: the bytes, from the first one that belongs into the body.
    :ivar sent: how many of them are out.
    """

    def __init__(self, data: bytes = b""):
        self.data = data
        self.sent = 0
        self.paused = False
        self.aborted = False
        self.sink: BodySink | None = None

    def deliver(self, sink: BodySink) -> None:
        """Take note of who takes the body."""
        assert self.sink is None and not self.aborted
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

    def send(self, size: int | None = None) -> None:
        """Send so many of the bytes, or all that are left."""
        stop = len(self.data) if size is None else self.sent + size
        piece, self.sent = self.data[self.sent : stop], min(stop, len(self.data))
        if piece:
            self.send_other(piece)

    def send_other(self, data: bytes) -> None:
        """Send other bytes than those."""
        if not self.aborted:
            self._taker().body_data(data)

    def end(self, *, certain: bool = True) -> None:
        """End."""
        if not self.aborted:
            self._taker().body_ended(certain=certain)

    def finish(self) -> None:
        """Send all that is left, and end."""
        self.send()
        self.end()

    def cut(self) -> None:
        """Break off."""
        if not self.aborted:
            self._taker().body_broken(ConnectionError("cut"))

    def _taker(self) -> BodySink:
        assert self.sink is not None, "nobody takes the body"
        return self.sink


@attrs.frozen
class FakeReply:
    """A store's answer."""

    remote: RemoteObject
    body: FakeBody


@attrs.frozen
class StoredObject:
    """
    What lies in the store.

    :param md5: what the store says it is, as are the others.
    :param age: seconds for which it has been there, if the store says that.
    """

    data: bytes
    etag: str | None = '"v1"'
    last_modified: str | None = None
    age: float | None = None
    md5: bytes | None = None
    sha256: bytes | None = None

    @property
    def right_md5(self) -> StoredObject:
        """The same, told with its MD5."""
        return attrs.evolve(self, md5=hashlib.md5(self.data).digest())

    @property
    def right_sha256(self) -> StoredObject:
        """The same, told with its SHA-256."""
        return attrs.evolve(self, sha256=hashlib.sha256(self.data).digest())

    def head(self, status: int = 200, first: int = 0) -> RemoteObject:
        """Describe it, as an answer does."""
        whole = status == 200
        return RemoteObject(
            status=status,
            length=len(self.data),
            first=first,
            etag=self.etag,
            last_modified=self.last_modified,
            content_type="application/vnd.mender-artifact",
            age=self.age,
            # Checksums are told of whole objects only.
            md5=self.md5 if whole else None,
            sha256=self.sha256 if whole else None,
        )


@attrs.define(eq=False)
class Request:
    """
    A request to the store.

    :ivar given_up: whether nobody waits for the answer any more.
    :ivar body: the answer's, once there is one.
    """

    url: StoreURL
    range_header: bytes | None
    answering: Deferred[FakeReply] = attrs.field(init=False)
    given_up: bool = False
    body: FakeBody | None = None

    def __attrs_post_init__(self) -> None:
        """Wait for an answer."""
        self.answering = Deferred(lambda _: setattr(self, "given_up", True))

    @property
    def answered(self) -> bool:
        """Whether the test has played the store's part."""
        return self.given_up or self.answering.called

    @property
    def offset(self) -> int:
        """The first byte asked for."""
        if self.range_header is None:
            return 0
        return int(self.range_header.removeprefix(b"bytes=").removesuffix(b"-"))

    def serve(self, thing: StoredObject) -> FakeBody:
        """Answer as a good store does; the body is yet to be sent."""
        status = 200 if self.range_header is None else 206
        return self.reply(thing.head(status, self.offset), thing.data[self.offset :])

    def reply(self, head: RemoteObject, data: bytes = b"") -> FakeBody:
        """Answer in any way."""
        self.body = FakeBody(data)
        self.answering.callback(FakeReply(head, self.body))
        return self.body

    def refuse(self, status: int, retry_after: float | None = None) -> FakeBody:
        """Answer with an error status."""
        return self.reply(RemoteObject(status=status, retry_after=retry_after))

    def fail(self, why: str = "no route to host") -> None:
        """Let no answer come."""
        self.answering.errback(ConnectionError(why))


class FakeStore:
    """A store that answers when the test does."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def fetch(self, url: StoreURL, range_header: bytes | None) -> Deferred[FakeReply]:
        """Take note of a request."""
        request = Request(url, range_header)
        self.requests.append(request)
        return request.answering

    @property
    def last(self) -> Request:
        """The newest request."""
        return self.requests[-1]

    @property
    def ranges(self) -> list[bytes | None]:
        """What each request asked for."""
        return [request.range_header for request in self.requests]


def content(size: int, seed: int = 0) -> bytes:
    """Bytes of which no two pieces are alike."""
    block = b"".join(
        hashlib.sha256(b"%d %d" % (seed, number)).digest() for number in range(size // 32 + 1)
    )
    return block[:size]


def not_none(value: T | None) -> T:
    """The value, which is there."""
    assert value is not None
    return value
