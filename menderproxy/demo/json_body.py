"""What the Mender Server demands of a request's body."""

from __future__ import annotations

import json

from twisted.web import http, server

from menderproxy.demo.problem import Problem


def check_content_type(request: server.Request) -> None:
    """
    Check that a body is said to be JSON.

    :raises Problem: 415 when it is said to be something else, or nothing.
    """
    # Like the real one: a chunked body, whose length no header tells, is not looked at.
    length = request.getHeader(b"content-length")
    kind = (request.getHeader(b"content-type") or b"").partition(b";")[0].strip().lower()
    if length not in (None, b"0") and kind != b"application/json":
        raise Problem(http.UNSUPPORTED_MEDIA_TYPE, "unsupported Content-Type")


def parse(body: bytes) -> object:
    """
    Read a body.

    :raises Problem: 400 when it is no JSON.
    """
    try:
        return json.loads(body)
    except ValueError:
        raise Problem(http.BAD_REQUEST, "failed to decode request body") from None
