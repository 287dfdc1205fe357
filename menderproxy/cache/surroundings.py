"""What a download needs of the world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar

import attrs
from twisted.internet.interfaces import IReactorTime

from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.errors import CacheUnusable
from menderproxy.cache.inflow import Inflow
from menderproxy.cache.patience import Patience
from menderproxy.cache.room import Room
from menderproxy.cache.statistics import Statistics
from menderproxy.cache.threads import Threads
from menderproxy.cache.writer import Writer
from menderproxy.wire.body import Body
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.store_url import StoreURL

P = ParamSpec("P")
T = TypeVar("T")


class StoreReply(Protocol):
    """A store's answer: its head, and a body to be delivered or aborted."""

    @property
    def remote(self) -> RemoteObject:
        """The head."""

    @property
    def body(self) -> Body:
        """The body."""


class Fetch(Protocol):
    """Asks a store for an artifact."""

    def __call__(self, url: StoreURL, range_header: bytes | None) -> Awaitable[StoreReply]:
        """Ask; any exception means that the store can't be had now."""


@attrs.frozen
class Surroundings:
    """
    What a download needs of the world.

    :param now: Unix time.
    :param condemns: whether a version of an artifact, by key, entity tag and length, is known to
        be bad at the store itself.
    :param jitter: a random number from 0 to 1.
    :param statistics: counts what happens.
    """

    clock: IReactorTime
    now: Callable[[], float]
    threads: Threads
    directory: CacheDirectory
    room: Room
    fetch: Fetch
    condemns: Callable[[str, str | None, int | None], bool]
    jitter: Callable[[], float]
    patience: Patience
    statistics: Statistics

    def inflow(self, body: Body, writer: Writer, length: int | None) -> Inflow:
        """Take the body of a store's answer, and count it."""
        return Inflow(body, writer, length, self.statistics)

    async def disk(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Do work on the disk, in a thread.

        :raises CacheUnusable: the disk fails.
        """
        try:
            return await self.threads.run(work, *args, **kwargs)
        except OSError as error:
            raise CacheUnusable(str(error)) from None
