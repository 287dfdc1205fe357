"""Answers that the gateway gives by itself, in the form that Mender's own services use."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import server

from menderproxy.upstream.errors import BadRequestTarget, UpstreamError, UpstreamTimeout
from menderproxy.web.bindings import TokenRefused
from menderproxy.web.outflow import DeviceStalled
from menderproxy.web.request import GatewayRequest

log = Logger()

# The first one that fits is given.
_ANSWERS = (
    (TokenRefused, 401, "the token belongs to another client certificate"),
    (BadRequestTarget, 400, "bad request target"),
    (UpstreamTimeout, 504, "the upstream server did not answer in time"),
    (UpstreamError, 502, "the upstream server can't be reached"),
    (Exception, 500, "internal error"),
)


def answer_error(request: GatewayRequest, status: int, error: str, **headers: bytes) -> None:
    """
    Answer with ``{"error": …}``.

    :param error: for the device's log: no hosts, paths or secrets of ours.
    :param headers: more headers, with ``_`` for ``-``.
    """
    body = json.dumps({"error": error}).encode("ascii")
    request.clear_answer()
    request.setResponseCode(status)
    for name, value in headers.items():
        request.setHeader(name.replace("_", "-").encode("ascii"), value)
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"content-length", b"%d" % len(body))
    request.write(body)
    request.finish()


def answer_later(request: GatewayRequest, answering: Coroutine[Any, Any, None]) -> int:
    """
    Let a coroutine answer the request; to be returned from ``render``.

    It is cancelled when the device goes away. What goes wrong before the first byte of the
    answer becomes an error status, and later a broken connection.
    """
    work = Deferred.fromCoroutine(answering)
    request.answering = work
    work.addErrback(_failed, request)
    return server.NOT_DONE_YET


def _failed(failure: Failure, request: GatewayRequest) -> None:
    expected = failure.check(CancelledError, UpstreamError, DeviceStalled, TokenRefused)
    if expected is None:
        log.failure("while answering", failure)
    elif expected is not CancelledError:
        log.warn("{error}", error=failure.getErrorMessage())
    if not request.is_open:
        return
    if request.startedWriting or failure.check(CancelledError, DeviceStalled):
        request.abort()
        return
    status, error = next((status, error) for kind, status, error in _ANSWERS if failure.check(kind))
    answer_error(request, status, error)
