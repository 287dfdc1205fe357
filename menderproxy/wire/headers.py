"""Which headers go on to the next hop, as lists that keep order and duplicates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Set
from functools import lru_cache

Headers = list[tuple[bytes, bytes]]
"""Names and values as they came."""

# Each message has its own framing, and "Expect" and "Upgrade" are for this connection only.
_HOP_BY_HOP = re.compile(
    rb"connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|http2-settings"
    rb"|content-length|expect"
)
# What a device could claim about itself to a server that believes its proxies.
_CLAIMED = re.compile(rb"x-forwarded.*|forwarded|x-real-ip|x-client-cert.*|x-ssl-.*")
# A "Connection" header may name headers to be dropped, but not those that security rests on.
_END_TO_END = frozenset((b"authorization", b"x-men-signature", b"content-type", b"host", b"cookie"))
_HANDSHAKE = re.compile(rb"connection|upgrade|sec-websocket-.*")
# Some programs take \x0b, \x0c, \x1c to \x1e and \x85 for ends of lines.
CONTROL_BYTES = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F, 0x85])
"""What no header that goes on may hold."""
CONTROL = re.compile(b"[%b]" % re.escape(CONTROL_BYTES))
"""One of these bytes."""

_NAMES_KEPT = 256
"""Names whose treatment is remembered; a fleet uses some twenty, an attacker any number."""


def forwarded_request_headers(
    headers: Iterable[tuple[bytes, bytes]],
    *,
    host: bytes,
    client: str,
    secure: bool,
    without: Set[bytes] = frozenset(),
    is_clean: bool = False,
) -> Headers:
    """
    Choose the headers of a device's request that the Mender Server gets, and add our own.

    ``X-Forwarded-Host`` is not among them: the server would put it into download links, and
    stores that see it refuse their own signatures.

    :param host: the one ``Host`` to send.
    :param client: the device's IP address.
    :param secure: whether the device came by TLS.
    :param without: names, in lower case, of headers that are not to go on either.
    :param is_clean: whether they are known to hold none of the :data:`CONTROL_BYTES`.
    """
    return [
        (b"Host", host),
        *_end_to_end(headers, _is_forwarded, without, is_clean=is_clean),
        (b"X-Forwarded-For", client.encode("ascii")),
        (b"X-Forwarded-Proto", b"https" if secure else b"http"),
    ]


def returned_response_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Choose the headers of an answer that the device gets; the body's length is ours to add."""
    return _end_to_end(headers, _is_end_to_end)


def is_websocket_upgrade(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request asks for, or an answer announces, WebSocket instead of HTTP."""
    received = list(headers)
    return b"upgrade" in _options(*_values(received, b"connection")) and (
        b"websocket" in _options(*_values(received, b"upgrade"))
    )


def upgrade_request_headers(
    headers: Iterable[tuple[bytes, bytes]], *, host: bytes, client: str, secure: bool
) -> Headers:
    """
    Choose the headers of a device's request for WebSocket, and add our own.

    The parameters are those of :func:`forwarded_request_headers`.
    """
    return [
        *forwarded_request_headers(headers, host=host, client=client, secure=secure),
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
    ]


def switching_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """
    Choose the headers of an answer that switches to WebSocket: those of the handshake.

    None of them frames a body: what follows is none, whatever the upstream says.
    """
    return [
        (name, value)
        for name, value in headers
        if _HANDSHAKE.fullmatch(name.lower()) and not CONTROL.search(name + value)
    ]


def store_request_headers(host: bytes, range: bytes | None) -> Headers:
    """
    Make the headers of a request to a store, which never sees any header of a device.

    :param host: the URL's own authority, covered by its signature.
    :param range: value of the ``Range`` header, ``None`` for the whole object.
    """
    headers = [
        (b"Host", host),
        (b"User-Agent", b"menderproxy"),
        (b"Accept-Encoding", b"identity"),
    ]
    return headers if range is None else [*headers, (b"Range", range)]


def _end_to_end(
    headers: Iterable[tuple[bytes, bytes]],
    passes: Callable[[bytes], bool | None],
    dropped: Set[bytes] = frozenset(),
    *,
    is_clean: bool = False,
) -> Headers:
    """Choose the headers whose name passes, and whose value could not be taken for two."""
    kept: Headers = []
    for header in headers:
        passes_on = passes(header[0])
        if passes_on:
            kept.append(header)
        elif passes_on is None:
            dropped = dropped | (_options(header[1]) - _END_TO_END)
    if not is_clean and not _is_one_line(b"".join([value for _, value in kept])):
        kept = [header for header in kept if _is_one_line(header[1])]
    return [header for header in kept if header[0].lower() not in dropped] if dropped else kept


# Of a header's name both tell whether it goes on; or, by None, that its value names others that
# don't.


@lru_cache(_NAMES_KEPT)
def _is_end_to_end(name: bytes) -> bool | None:
    key = _key(name)
    if key == b"connection":
        return None
    return _HOP_BY_HOP.fullmatch(key) is None and CONTROL.search(name) is None


@lru_cache(_NAMES_KEPT)
def _is_forwarded(name: bytes) -> bool | None:
    key = _key(name)
    return _is_end_to_end(name) and key != b"host" and _CLAIMED.fullmatch(key) is None


def _is_one_line(value: bytes) -> bool:
    # Five times as fast as a search for CONTROL, and tokens are long.
    return len(value.translate(None, CONTROL_BYTES)) == len(value)


def _options(*values: bytes) -> frozenset[bytes]:
    return frozenset([option.strip().lower() for value in values for option in value.split(b",")])


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name.lower() == wanted]


def _key(name: bytes) -> bytes:
    """The name as CGI-like servers see it, to which ``X_Real_IP`` is ``X-Real-IP``."""
    return name.lower().replace(b"_", b"-")
