"""What can go wrong on the way to an upstream, sorted by what a device should be told."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.defer import CancelledError
from twisted.internet.error import TCPTimedOutError, TimeoutError
from twisted.python.failure import Failure
from twisted.web.client import (  # type: ignore[attr-defined]
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseNeverReceived,
)


class UpstreamError(Exception):
    """The upstream gave no usable answer. The text never holds a query or a credential."""


class UpstreamUnavailable(UpstreamError):
    """No connection, no valid TLS, or the connection broke before an answer."""


class Unanswered(UpstreamUnavailable):
    """The connection was lost before the first byte of an answer."""


class UpstreamTimeout(UpstreamError):
    """The upstream took longer than it may."""


class BadRequestTarget(UpstreamError):
    """The request target holds bytes that may not be sent to an HTTP server."""


def sort_out(failure: Failure, what: str) -> UpstreamError:
    """
    Turn whatever Twisted's client failed with into one of our errors.

    :param what: whom we were talking to, for the message.
    :raises CancelledError: the request was given up by ourselves, not by the upstream.
    """
    reasons = _innermost_reasons(failure)
    for reason in reasons:
        if isinstance(reason, UpstreamError):
            return reason
        if isinstance(reason, CancelledError):
            # Whoever waited for the answer went away; nobody is left to be told of an error.
            raise reason
    if any(isinstance(reason, TimeoutError | TCPTimedOutError) for reason in reasons):
        return UpstreamTimeout(f"{what}: no connection in time")
    unanswered = failure.check(ResponseNeverReceived, RequestTransmissionFailed, RequestNotSent)
    kind = Unanswered if unanswered else UpstreamUnavailable
    descriptions = dict.fromkeys(_describe(reason) for reason in reasons)
    return kind(f"{what}: {', '.join(descriptions) or 'connection failed'}")


def _innermost_reasons(failure: Failure) -> list[BaseException]:
    """
    Flatten Twisted's nested ``ResponseFailed(reasons=[…])`` into the errors at the bottom.

    Twisted's HTTP client wraps what really happened, at times twice.
    """
    nested = getattr(failure.value, "reasons", None)
    if not nested:
        return [failure.value] if failure.value is not None else []
    return [reason for inner in nested for reason in _innermost_reasons(inner)]


def _describe(reason: BaseException) -> str:
    if isinstance(reason, SSL.Error) and reason.args and reason.args[0]:
        # A list of (library, function, what happened).
        return f"TLS: {', '.join(entry[-1] for entry in reason.args[0])}"
    text = str(reason).split("\n", 1)[0]
    return f"{type(reason).__name__}: {text[:200]}" if text else type(reason).__name__
