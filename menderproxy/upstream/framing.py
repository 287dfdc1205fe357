"""Where the body of an answer ends: after so many bytes, after the last chunk, or never."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from menderproxy.wire.response_head import MalformedAnswer, ResponseHead

LONGEST_LINE = 4 * 1024
"""Bytes that the line before a chunk, or a trailer, may have."""
LONGEST_TRAILERS = 16 * 1024
"""Bytes that all trailers may have."""

# What follows the semicolon means nothing to anybody.
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")


class Framing(Protocol):
    """
    Tells a body from its framing, and from what comes after it.

    :ivar is_over: whether the body's last byte was seen.
    :ivar has_excess: whether there were bytes behind it, which belong to no answer.
    """

    is_over: bool
    has_excess: bool

    def feed(self, data: bytes) -> bytes:
        """
        Take the next bytes, and give those of the body among them.

        :raises MalformedAnswer: they break the framing.
        """


def framing_of(head: ResponseHead, here: int) -> Framing:
    """
    Tell how an answer's body is framed.

    :param here: bytes that came together with the head.
    """
    if head.length == here:
        return _WHOLE
    if head.is_chunked:
        return Chunked()
    return UntilClosed() if head.length is None else ByLength(head.length)


class Whole:
    """A body that came together with its head, as most small ones do: one object for all."""

    __slots__ = ()

    is_over = True
    has_excess = False

    def feed(self, data: bytes) -> bytes:
        """Take all there is."""
        return data


_WHOLE = Whole()


class ByLength:
    """A body of which the length is known."""

    __slots__ = ("_missing", "has_excess", "is_over")

    def __init__(self, length: int):
        self.is_over = False
        self.has_excess = False
        self._missing = length

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes."""
        missing = self._missing
        if len(data) < missing:
            self._missing -= len(data)
            return data
        self._missing = 0
        self.is_over = True
        self.has_excess = len(data) > missing
        return data[:missing]


class UntilClosed:
    """A body that ends with its connection, or breaks off: there is no telling."""

    __slots__ = ()

    is_over = False
    has_excess = False

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes."""
        return data


class Chunked:
    """A body in chunks; their extensions, and the trailers, are dropped."""

    def __init__(self) -> None:
        self.is_over = False
        self.has_excess = False
        self._missing = 0
        self._trailers = 0
        self._line = b""
        self._take_line: Callable[[bytes], None] = self._size

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes."""
        data, self._line = self._line + data, b""
        pieces = []
        position = 0
        while position < len(data) and not self.is_over:
            if self._missing:
                # A copy is only made of a part.
                piece = data[position : position + self._missing]
                pieces.append(piece)
                self._missing -= len(piece)
                position += len(piece)
            else:
                position = self._next_line(data, position)
        self.has_excess = position < len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _next_line(self, data: bytes, start: int) -> int:
        end = data.find(b"\r\n", start, start + LONGEST_LINE)
        if end >= 0:
            self._take_line(data[start:end])
            return end + len(b"\r\n")
        if len(data) - start >= LONGEST_LINE:
            raise MalformedAnswer("a line between the answer's chunks is too long")
        self._line = data[start:]
        return len(data)

    def _size(self, line: bytes) -> None:
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise MalformedAnswer("the answer has a malformed chunk")
        self._missing = int(size[1], 16)
        self._take_line = self._end if self._missing else self._trailer

    def _end(self, line: bytes) -> None:
        if line:
            raise MalformedAnswer("the answer has a chunk that is longer than it says")
        self._take_line = self._size

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > LONGEST_TRAILERS:
            raise MalformedAnswer("the answer has too many trailers")
        self.is_over = not line
