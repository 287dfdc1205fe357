"""
TLS records, many at once, from OpenSSL itself.

pyOpenSSL's ``recv`` makes a buffer for each record, copies its content out of there, and tells by
an exception that there are no more: for an artifact that is more work than to decrypt it. What
pyOpenSSL keeps to itself (``OpenSSL._util``, ``Connection._ssl``) is used here, and by nobody else;
whatever comes over TLS in a test comes this way, so that a change would not go unnoticed.
"""

from __future__ import annotations

from OpenSSL import SSL
from OpenSSL._util import ffi, lib, no_zero_allocator

RECORD = 16 * 1024
"""Bytes of the largest TLS record: reading less could leave some where no reactor sees them."""

RECORDS_PER_TURN = 16
"""Records that are read at once before the others have a turn."""

# One is enough: what is in there is copied out before anybody else can read.
_BUFFER = no_zero_allocator("char[]", RECORDS_PER_TURN * RECORD)
_PLACES = [_BUFFER + place * RECORD for place in range(RECORDS_PER_TURN)]


def receive(tls: SSL.Connection) -> tuple[bytes, SSL.Error | None]:
    """
    Take what is here, up to a limit.

    :returns: the bytes, and what comes behind them if that is not just more bytes, some time.
    """
    ssl, have, count = tls._ssl, 0, 0
    for place in _PLACES:
        count = lib.SSL_read(ssl, place, RECORD)
        if count > 0:
            have += count
        if count < RECORD:
            # Most likely the last one; if not, the socket goes on to be readable.
            break
    error = None if count > 0 else _trouble(tls, count)
    return ffi.buffer(_BUFFER, have)[:], error


def _trouble(tls: SSL.Connection, result: int) -> SSL.Error | None:
    error = lib.SSL_get_error(tls._ssl, result)
    if error == lib.SSL_ERROR_WANT_READ:
        return None
    if error == lib.SSL_ERROR_ZERO_RETURN:
        return SSL.ZeroReturnError()
    try:
        tls._raise_ssl_error(tls._ssl, result)
    except SSL.Error as error:
        return error
    return None
