"""Connections that send parts of files without reading them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from typing import Any, cast

from twisted.internet import main
from twisted.internet.interfaces import IPushProducer

from menderproxy.transport.eager import EagerWriting
from menderproxy.transport.unsent import Unsent
from menderproxy.wire.span import Span

TURN = 2 * 1024 * 1024
"""Bytes for one connection before the others have a turn."""

LEAST = 128 * 1024
"""Bytes that a connection is asked to take when nothing is known about its pace."""

# All other errors of a sendfile() are the connection's.
_FILE_ERRORS = frozenset({errno.EIO, errno.ESTALE, errno.EUCLEAN, errno.EREMOTEIO})


class SpanSending(EagerWriting):
    """
    A TCP connection that takes spans of files besides bytes (see
    :class:`menderproxy.wire.span.SpanWriter`).

    What Twisted keeps between two writes (``dataBuffer``, ``offset``, ``_tempDataBuffer``) is
    used here: Twisted's own tests run against the subclasses, and fail if it changes.

    :ivar unsent: how much the kernel may hold; to be set by the subclass.
    """

    _span: Span | None = None
    _behind_span: Sequence[bytes] = ()
    _appetite = LEAST

    unsent: Unsent

    def write_span(self, span: Span) -> None:
        """Send a span after what was written before."""
        if not self.connected or self._writeDisconnected:
            return
        self._span = span
        if self.producer is not None and self.streamingProducer:
            self.producerPaused = True
            cast(IPushProducer, self.producer).pauseProducing()
        self.startWriting()

    @property
    def _may_send(self) -> bool:
        return self._span is None and super()._may_send

    def write(self, data: bytes) -> None:
        """Send bytes after all that was written before."""
        if self._span is None:
            super().write(data)
        else:
            self._behind_span = [*self._behind_span, data]

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send bytes after all that was written before."""
        if self._span is None:
            super().writeSequence(iovec)
        else:
            self.write(b"".join(iovec))

    def doWrite(self) -> Any:
        """Called by the reactor when the socket takes more."""
        if self._span is not None:
            result = self._flush_bytes()
            if result is None and not self.dataBuffer:
                result = self.send_some(self._span)
            if result is not None:
                return result
            if self._span is not None:
                return None
        # Bytes as usual; when there are none left, the producer's turn or the end comes.
        return super().doWrite()

    def connectionLost(self, reason: object) -> None:
        """The connection is gone."""
        self._span = None
        super().connectionLost(reason)  # type: ignore[arg-type]

    def send_some(self, span: Span) -> Exception | None:
        """
        Send what the socket takes of a span.

        :returns: why the connection is lost, if it is.
        """
        size = span.ready(self._appetite)
        if not size:
            self.let_go()
            return None
        try:
            count = os.sendfile(self.socket.fileno(), span.fd, span.position, size)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno not in _FILE_ERRORS:
                return main.CONNECTION_LOST
            self.span_failed(span, error)
            return None
        if count:
            span.sent(count)
            self.unsent.sent(count)
        else:
            self.span_failed(span, OSError("the file is shorter than it was"))
        # Whether bytes are in memory is asked of those only that are likely to go out.
        asked, self._appetite = self._appetite, max(LEAST, min(2 * count, TURN))
        if count == size < asked:
            self.let_go()
        return None

    def span_failed(self, span: Span, error: OSError) -> None:
        """Let go of a span that can't be read."""
        self.let_go()
        span.failed(error)

    def let_go(self) -> None:
        """Give the span back: there is nothing more of it for now."""
        self._span = None
        behind, self._behind_span = self._behind_span, ()
        for data in behind:
            super().write(data)

    def _flush_bytes(self) -> Exception | None:
        """Send the bytes before the span, without what follows when there are none left."""
        if self.offset or self._tempDataLen:
            rest = memoryview(self.dataBuffer)[self.offset :]
            self.dataBuffer = b"".join([rest, *self._tempDataBuffer])
            self.offset, self._tempDataBuffer, self._tempDataLen = 0, [], 0
        if not self.dataBuffer:
            return None
        count = self.writeSomeData(self.dataBuffer)
        if isinstance(count, Exception):
            return count
        self.offset = count
        if self.offset == len(self.dataBuffer):
            self.dataBuffer, self.offset = b"", 0
        return None
