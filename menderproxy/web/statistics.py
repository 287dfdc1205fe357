"""What devices asked for, and what they got, in plain numbers for whoever shows them."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import attrs
from twisted.web.http import RESPONSES

from menderproxy.wire.routes import Route

if TYPE_CHECKING:
    from menderproxy.web.request import GatewayRequest

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})

UNANSWERED = "000"
"""In place of a status, for a connection that was cut before the answer began."""


# A tuple, for its hash is cheap, and each request takes it several times.
class Exchange(NamedTuple):
    """
    A kind of request, and what became of it.

    Whoever asks or answers can make up a method or a status: unknown ones are ``other``, so that
    there are only so many kinds.

    :param code: the answer's status.
    """

    method: str
    code: str
    route: Route

    @classmethod
    def of(cls, request: GatewayRequest) -> Exchange:
        """Tell what kind a request, as it stands now, is of."""
        method = request.method if request.method in METHODS else b"other"
        code = request.code if request.code in RESPONSES else "other"
        return _exchange(method, code if request.startedWriting else UNANSWERED, request.route)


# There are only so many, and a lookup costs less than to make one.
@cache
def _exchange(method: bytes, code: int | str, route: Route) -> Exchange:
    return Exchange(method.decode("ascii"), str(code), route)


@attrs.define
class Statistics:
    """
    Counts since the start.

    :ivar exchanges: requests that are over, by kind.
    :ivar broken_off: how many of them ended before their answer did.
    :ivar surplus: connections above the limit.
    :ivar under_way: requests that are being answered.
    """

    exchanges: Counter[Exchange] = attrs.field(factory=Counter)
    broken_off: Counter[Route] = attrs.field(factory=Counter)
    surplus: int = 0
    under_way: set[GatewayRequest] = attrs.field(factory=set)
    _sent: Counter[Exchange] = attrs.field(factory=Counter)

    @property
    def bytes_sent(self) -> Counter[Exchange]:
        """Bytes of answers' bodies, those under way included: some take hours."""
        sent = self._sent.copy()
        for request in self.under_way:
            if request.sentLength:
                sent[Exchange.of(request)] += request.sentLength
        return sent

    def begin(self, request: GatewayRequest) -> None:
        """Count a request as under way."""
        self.under_way.add(request)

    def end(self, request: GatewayRequest, *, broken_off: bool) -> None:
        """
        Count a request that is over.

        :param broken_off: whether it ended before its answer did.
        """
        exchange = Exchange.of(request)
        self.under_way.discard(request)
        self.exchanges[exchange] += 1
        self._sent[exchange] += request.sentLength
        if broken_off:
            self.broken_off[exchange.route] += 1

    def refuse(self, status: int) -> None:
        """Count a request that was refused before it was complete."""
        self.exchanges[Exchange("other", str(status), Route.UNKNOWN)] += 1
