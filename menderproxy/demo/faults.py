"""What can go wrong at a server: one value for each way, told to the server by a test."""

from __future__ import annotations

import attrs


@attrs.frozen
class Cut:
    """
    The connection is aborted in mid-body.

    :param after: at most so many bytes of this answer's body leave before.
    """

    after: int


@attrs.frozen
class Stall:
    """
    The body stops coming while the connection stays open.

    :param after: bytes of this answer's body that are sent before the silence.
    """

    after: int


@attrs.frozen
class Refuse:
    """
    An error answer in place of the one hoped for.

    :param status: HTTP status code.
    :param retry_after: seconds for a ``Retry-After`` header, or none of it.
    """

    status: int
    retry_after: int | None = None


@attrs.frozen
class NoLength:
    """The body comes chunked: nobody knows its length before its end."""


@attrs.frozen
class Whole:
    """A ``Range`` header is ignored: 200 with all of the object."""


@attrs.frozen
class Changed:
    """
    Somebody overwrites the object just before this request, for good.

    :param length: of the new object in bytes; ``None`` keeps the old one's.
    """

    length: int | None = None


Fault = Cut | Stall | Refuse | NoLength | Whole | Changed
