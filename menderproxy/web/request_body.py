"""The body of a device's request, gathered as it comes, and never more of it than is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from menderproxy.wire.request_head import TOKEN

LONGEST_LINE = 1024
"""Bytes that the line before a chunk, or a trailer, may have."""

MOST_TRAILERS = 16 * 1024
"""Bytes that all trailers may have."""

# What follows the semicolon means nothing to anybody, but must not look like another line.
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x5b\x5d-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(TOKEN + rb":[^\r\n\x00]*")
_LINE_END = b"\r\n"


class Refused(Exception):
    """
    A request that is not worth waiting for its rest.

    :param status: that it is answered with, before the connection is closed.
    """

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


class RequestBody(Protocol):
    """Takes what comes on a connection until the body is whole."""

    @property
    def content(self) -> bytes:
        """What the body holds so far."""

    def feed(self, data: bytes) -> bytes | None:
        """
        Take the next bytes.

        :returns: those behind the body's end, once that is there.
        :raises Refused: this is no body, or too large.
        """


class SizedBody:
    """
    A body whose length is known.

    :raises Refused: it is too large.
    """

    def __init__(self, length: int, most: int):
        if length > most:
            raise Refused(413)
        self._length = length
        self._content = bytearray()

    @property
    def content(self) -> bytes:
        """What the body holds so far."""
        return bytes(self._content)

    def feed(self, data: bytes) -> bytes | None:
        """Take the next bytes."""
        missing = self._length - len(self._content)
        self._content += data[:missing]
        return data[missing:] if len(data) >= missing else None


class ChunkedBody:
    """
    A body in chunks.

    Their extensions are left out, and so are trailers: they would be news to whoever read the
    head. Each line has to be one to every program all the same.
    """

    def __init__(self, most: int):
        self._most = most
        self._content = bytearray()
        self._missing = 0
        self._trailers = 0
        self._is_over = False
        self._line = b""
        self._take_line: Callable[[bytes], None] = self._take_size

    @property
    def content(self) -> bytes:
        """What the body holds so far."""
        return bytes(self._content)

    def feed(self, data: bytes) -> bytes | None:
        """Take the next bytes."""
        data, self._line = self._line + data, b""
        position = 0
        while position < len(data) and not self._is_over:
            if self._missing:
                position = self._take_bytes(data, position)
            else:
                position = self._find_line(data, position)
        return data[position:] if self._is_over else None

    def _take_bytes(self, data: bytes, start: int) -> int:
        end = min(start + self._missing, len(data))
        self._content += data[start:end]
        self._missing -= end - start
        return end

    def _find_line(self, data: bytes, start: int) -> int:
        end = data.find(_LINE_END, start, start + LONGEST_LINE)
        if end >= 0:
            self._take_line(data[start:end])
            return end + len(_LINE_END)
        if len(data) - start >= LONGEST_LINE:
            raise Refused(400)
        self._line = data[start:]
        return len(data)

    def _take_size(self, line: bytes) -> None:
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise Refused(400)
        self._missing = int(size[1], 16)
        if len(self._content) + self._missing > self._most:
            raise Refused(413)
        self._take_line = self._take_end if self._missing else self._take_trailer

    def _take_end(self, line: bytes) -> None:
        if line:
            raise Refused(400)
        self._take_line = self._take_size

    def _take_trailer(self, line: bytes) -> None:
        self._is_over = not line
        self._trailers += len(line)
        if line and (_TRAILER.fullmatch(line) is None or self._trailers > MOST_TRAILERS):
            raise Refused(400)


def request_body(length: int | None, most: int) -> RequestBody:
    """
    Make ready for a body.

    :param length: its bytes; ``None`` when it comes in chunks.
    :param most: bytes that it may have.
    :raises Refused: it is too large.
    """
    return ChunkedBody(most) if length is None else SizedBody(length, most)
