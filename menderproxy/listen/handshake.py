"""Why a TLS handshake failed, in the terms of those who run the gateway."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.python.failure import Failure

from menderproxy.listen.refusal import Reason, Refusal

_REASONS = {
    "peer did not return a certificate": Reason.NO_CERTIFICATE,
    "unsupported protocol": Reason.TLS_VERSION,
    "version too low": Reason.TLS_VERSION,
    "wrong version number": Reason.NOT_TLS,
    "http request": Reason.NOT_TLS,
    "https proxy request": Reason.NOT_TLS,
    "packet length too long": Reason.NOT_TLS,
    "unexpected message": Reason.NOT_TLS,
    "bad record type": Reason.NOT_TLS,
}
"""What OpenSSL says, by its texts: their numbers change from release to release."""

_GONE = (SSL.SysCallError, SSL.ZeroReturnError)
_ON_RECORD = "certificate verify failed"


def handshake_refusal(failure: Failure) -> Refusal | None:
    """
    Sort out what a connection was lost with before its handshake was over.

    :return: ``None`` when there is nothing to tell: the device just went away, as port scanners
        and health checks do, or its certificate was refused, which is told where that happens.
    """
    error = failure.value
    if not isinstance(error, SSL.Error) or isinstance(error, _GONE):
        return None
    entries = error.args[0] if error.args else ()
    texts = [str(entry[-1]) for entry in entries]
    if _ON_RECORD in texts:
        return None
    reason = next((_REASONS[text] for text in texts if text in _REASONS), Reason.HANDSHAKE)
    return Refusal(reason, f"TLS handshake: {', '.join(texts) or 'failed'}")
