"""A Mender Server that is there, and won't."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET


@attrs.frozen
class Refusal:
    """
    An answer in place of the server's own.

    :param retry_after: seconds, for the header of that name.
    """

    status: int
    retry_after: int | None = None


class Reluctance(Resource):
    """
    Stands before a server.

    :ivar refusal: what everybody is answered; ``None`` while the server answers itself.
    """

    isLeaf = True

    def __init__(self, server: IResource):
        super().__init__()  # type: ignore[no-untyped-call]
        self.refusal: Refusal | None = None
        self._server = server

    def render(self, request: Any) -> Any:
        """Answer one request."""
        if self.refusal is None:
            return self._server.render(request)
        if self.refusal.retry_after is not None:
            request.setHeader(b"retry-after", b"%d" % self.refusal.retry_after)
        request.setResponseCode(self.refusal.status)
        request.setHeader(b"content-length", b"0")
        request.finish()
        return NOT_DONE_YET
