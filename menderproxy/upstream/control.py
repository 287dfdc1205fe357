"""
The gateway's own calls to the Mender Server: small answers, taken whole or not at all.

They go through treq, and below it through our own agent, whose pool, proxies, time limits and
check of the server's name hold here as well.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn, cast

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from menderproxy.upstream.agent import Agent
from menderproxy.upstream.answer import Answer
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable

LARGEST_ANSWER = 1024 * 1024
LONGEST_PAUSE = 600.0

_COOKIES = (b"set-cookie", b"set-cookie2")
_SECONDS = re.compile(rb"[0-9]{1,9}")


class Busy(UpstreamError):
    """
    The upstream asks us to wait.

    :ivar retry_after: for how many seconds.
    """

    def __init__(self, why: str, retry_after: float):
        super().__init__(f"{why}; next try in {retry_after:.0f} s")
        self.retry_after = retry_after


def control_client(
    reactor: IReactorTime, agent: Agent, origin: Origin, authority: bytes, *, timeout: float = 30.0
) -> HTTPClient:
    """
    A client whose URLs are paths on one server.

    Its requests fail with :class:`UpstreamError` and nothing else; a redirect, a compressed
    answer and one of more than 1 MiB are errors.

    :param authority: the value of the Host header.
    :param timeout: seconds for a whole call, from the request to the last byte of the answer.
    """
    return ControlClient(reactor, _WholeAnswers(reactor, agent, origin, authority, timeout))


class ControlClient(HTTPClient):
    """treq's client without redirects and the global reactor."""

    def __init__(self, reactor: IReactorTime, agent: IAgent):
        # Our agent wants the very bytes; treq's producers need the global reactor.
        super().__init__(agent, data_to_body_producer=lambda data: data)
        self._reactor = reactor

    def request(self, method: str, url: Any, **options: Any) -> Any:
        """Send one request, see :meth:`treq.client.HTTPClient.request`."""
        options.update(allow_redirects=False, reactor=self._reactor)
        return super().request(method, url, **options)


@implementer(IAgent)
class _WholeAnswers:
    """Twisted's idea of an agent, for one server, over ours."""

    def __init__(
        self,
        reactor: IReactorTime,
        agent: Agent,
        origin: Origin,
        authority: bytes,
        timeout: float,
    ):
        self._reactor = reactor
        self._agent = agent
        self._origin = origin
        self._authority = authority
        self._timeout = timeout

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """
        Send one request.

        :param uri: path and query.
        :param bodyProducer: the body's bytes, in spite of its name.
        """
        body = cast("bytes | None", bodyProducer)
        calling: Deferred[IResponse] = Deferred.fromCoroutine(
            self._call(method, uri, headers or Headers(), body)
        )
        return calling.addTimeout(self._timeout, self._reactor, self._too_late)

    async def _call(
        self, method: bytes, target: bytes, headers: Headers, body: bytes | None
    ) -> IResponse:
        headers = headers.copy()
        headers.setRawHeaders(b"Host", [self._authority])
        # treq unpacks compressed answers, to whatever size that may be.
        headers.setRawHeaders(b"Accept-Encoding", [b"identity"])
        raw = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        answer = await self._agent.request(self._origin, method, target, raw, body)
        objection = _objection(answer)
        if objection is not None:
            answer.abort()
            raise UpstreamUnavailable(f"{self._origin} {objection}")
        content = await _WholeBody(answer, self._origin).received
        # A front end's cookie would tie all later calls to one of the servers behind it.
        kept = [header for header in answer.headers if header[0].lower() not in _COOKIES]
        return WholeResponse(answer.code, kept, content, answer.phrase)

    def _too_late(self, result: object, seconds: float) -> NoReturn:
        raise UpstreamTimeout(f"{self._origin}: no whole answer within {seconds:g} s")


def _objection(answer: Answer) -> str | None:
    if 300 <= answer.code < 400:
        return f"answers with a redirect ({answer.code}): is UpstreamServer.URL right?"
    if (answer.header(b"content-encoding") or b"identity").strip().lower() != b"identity":
        return "compresses an answer that was to be plain"
    return None


class _WholeBody:
    """
    Collects the body of an answer.

    :ivar received: fires with the body; cancelling it drops the connection.
    """

    def __init__(self, answer: Answer, origin: Origin):
        self.received: Deferred[bytes] = Deferred(lambda _: answer.abort())
        self._answer = answer
        self._origin = origin
        self._data = bytearray()
        answer.deliver(self)

    def body_data(self, data: bytes) -> None:
        """Take the next bytes, unless they are too many."""
        self._data += data
        if len(self._data) > LARGEST_ANSWER:
            self._answer.abort()
            self.body_broken(
                UpstreamUnavailable(f"{self._origin}: an answer of more than {LARGEST_ANSWER} B")
            )

    def body_ended(self, *, certain: bool) -> None:
        """Hand the body over, unless it may be a part of itself."""
        if certain:
            self.received.callback(bytes(self._data))
        else:
            self.body_broken(UpstreamUnavailable(f"{self._origin}: an answer without an end"))

    def body_broken(self, reason: Exception) -> None:
        """Give up."""
        self.received.errback(reason)


@implementer(IResponse)
class WholeResponse:
    """
    An answer that is all here, in the form that treq knows.

    :param content: the body.
    """

    version = (b"HTTP", 1, 1)
    request = None
    previousResponse = None

    def __init__(
        self,
        code: int,
        headers: list[tuple[bytes, bytes]],
        content: bytes,
        phrase: bytes = b"",
    ):
        self.code = code
        self.phrase = phrase
        self.headers = Headers()
        for name, value in headers:
            self.headers.addRawHeader(name, value)
        self.length = len(content)
        self._content = content

    def deliverBody(self, protocol: IProtocol) -> None:
        """Deliver it at once."""
        protocol.dataReceived(self._content)
        protocol.connectionLost(Failure(ResponseDone()))

    def setPreviousResponse(self, response: IResponse) -> None:
        """There is none: redirects are not followed."""


def pause_asked(response: IResponse) -> float | None:
    """
    Seconds that an answer asks us to wait, ten minutes at most.

    :returns: ``None`` for an answer that asks for nothing of the kind.
    """
    if response.code not in (429, 503):
        return None
    value = (response.headers.getRawHeaders(b"retry-after") or [b""])[-1].strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_PAUSE)
    return 5.0 if response.code == 429 else None
