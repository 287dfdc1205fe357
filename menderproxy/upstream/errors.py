"""What can go wrong on the way to an upstream, sorted by what a device should be told."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.defer import CancelledError
from twisted.internet.error import TCPTimedOutError, TimeoutError
from twisted.python.failure import Failure


class UpstreamError(Exception):
    """The upstream gave no usable answer. The text never holds a query or a credential."""


class UpstreamUnavailable(UpstreamError):
    """No connection, no valid TLS, or the connection broke before an answer."""


class Unanswered(UpstreamUnavailable):
    """The connection was lost before the first byte of an answer."""


class UpstreamTimeout(UpstreamError):
    """The upstream took longer than it may."""


class BadRequestTarget(UpstreamError):
    """The request's target, or another part of it, may not be sent to an HTTP server."""


def sort_out(
    failure: Failure, what: str, kind: type[UpstreamUnavailable] = UpstreamUnavailable
) -> UpstreamError:
    """
    Turn whatever a connection failed with into one of our errors.

    :param what: whom we were talking to, for the message.
    :param kind: for what is no timeout.
    :raises CancelledError: the request was given up by ourselves, not by the upstream.
    """
    reason = failure.value
    if isinstance(reason, UpstreamError):
        return reason
    if isinstance(reason, CancelledError):
        # Whoever waited for the answer went away; nobody is left to be told of an error.
        raise reason
    if isinstance(reason, TimeoutError | TCPTimedOutError):
        return UpstreamTimeout(f"{what}: no connection in time")
    return kind(f"{what}: {_describe(reason)}")


def _describe(reason: BaseException | None) -> str:
    if isinstance(reason, SSL.Error) and reason.args and reason.args[0]:
        # A list of (library, function, what happened).
        return f"TLS: {', '.join(entry[-1] for entry in reason.args[0])}"
    text = str(reason).split("\n", 1)[0]
    return f"{type(reason).__name__}: {text[:200]}" if text else type(reason).__name__
