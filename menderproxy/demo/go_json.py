"""JSON as the Mender Server writes it: Go's encoder, and gzip for whoever accepts it."""

from __future__ import annotations

import gzip
import json

from twisted.web import server

_ESCAPES = {
    "&": "\\u0026",
    "<": "\\u003c",
    ">": "\\u003e",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def dumps(value: object, *, sort_keys: bool = False) -> str:
    """
    Write *value* compactly, with the characters escaped that Go escapes for HTML's sake.

    A link in such text has ``\\u0026`` where one expects an ampersand: whoever looks for links
    has to parse.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=sort_keys)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


def respond(request: server.Request, status: int, value: object) -> bytes:
    """
    Set status and headers for a JSON answer, compressed if the client takes gzip.

    The edge of the real server compresses; a client that reads the body has to undo it.

    :return: the body.
    """
    body = dumps(value).encode()
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json; charset=utf-8")
    if b"gzip" in (request.getHeader(b"accept-encoding") or b""):
        request.setHeader(b"content-encoding", b"gzip")
        request.setHeader(b"vary", b"Accept-Encoding")
        return gzip.compress(body, mtime=0)
    return body
