"""An answer other than the one hoped for, as the Mender Server words it."""

from __future__ import annotations

from twisted.web import server

from menderproxy.demo import go_json


class Problem(Exception):
    """
    Ends a request with an error status.

    :param status: HTTP status code.
    :param message: for the people who read the client's log.
    :param retry_after: seconds for a ``Retry-After`` header, or none of it.
    """

    def __init__(self, status: int, message: str, *, retry_after: int | None = None):
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    def respond(self, request: server.Request, request_id: str) -> bytes:
        """
        Set status and headers of the answer.

        :param request_id: by which the server's log is searched.
        :return: the body.
        """
        if self.retry_after is not None:
            request.setHeader(b"retry-after", b"%d" % self.retry_after)
        return go_json.respond(request, self.status, {"error": str(self), "request_id": request_id})
