"""Answers that the gateway gives by itself, in the form that Mender's own services use."""

from __future__ import annotations

import json
from collections.abc import Awaitable

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import server

from menderproxy.upstream.errors import BadRequestTarget, UpstreamError, UpstreamTimeout
from menderproxy.web.channel import GatewayRequest

log = Logger()


def answer_error(request: GatewayRequest, status: int, error: str) -> None:
    """
    Answer with ``{"error": …}``.

    :param error: for the device's log: no hosts, paths or secrets of ours.
    """
    body = json.dumps({"error": error}).encode("ascii")
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"content-length", b"%d" % len(body))
    request.write(body)
    request.finish()


def answer_later(request: GatewayRequest, answering: Awaitable[None]) -> int:
    """
    Let a coroutine answer the request; to be returned from ``render``.

    It is cancelled when the device goes away. What goes wrong before the first byte of the
    answer becomes an error status, and later a broken connection.
    """
    work = Deferred.fromCoroutine(_as_coroutine(answering))
    request.notifyFinish().addErrback(lambda _: work.cancel())
    work.addErrback(_failed, request)
    return server.NOT_DONE_YET


async def _as_coroutine(answering: Awaitable[None]) -> None:
    await answering


def _failed(failure: Failure, request: GatewayRequest) -> None:
    if request.channel is None:
        # The device is gone, nobody is left to be told.
        if not failure.check(CancelledError, UpstreamError):
            log.failure("after the device went away", failure)
        return
    if not failure.check(UpstreamError):
        log.failure("while answering", failure)
    else:
        log.warn("{error}", error=failure.getErrorMessage())
    if request.startedWriting:
        request.abort()
    elif failure.check(BadRequestTarget):
        answer_error(request, 400, "bad request target")
    elif failure.check(UpstreamTimeout):
        answer_error(request, 504, "the upstream server did not answer in time")
    elif failure.check(UpstreamError):
        answer_error(request, 502, "the upstream server can't be reached")
    else:
        answer_error(request, 500, "internal error")
