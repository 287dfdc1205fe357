"""The probes: is the process alive, and does it want requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web import server
from twisted.web.resource import Resource

from menderproxy.web.answers import answer_error


class Probe(Resource):
    """
    Answers 204 while a condition holds, and 503 otherwise.

    :param holds: the condition.
    """

    isLeaf = True

    def __init__(self, holds: Callable[[], bool]):
        super().__init__()
        self._holds = holds

    def render(self, request: Any) -> int:
        """Answer a probe."""
        if request.method not in (b"GET", b"HEAD"):
            answer_error(request, 405, "method not allowed", allow=b"GET, HEAD")
        elif self._holds():
            request.setResponseCode(204)
            request.finish()
        else:
            answer_error(request, 503, "starting or draining")
        return server.NOT_DONE_YET
