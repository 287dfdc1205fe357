"""Connections that don't wait to be told that their socket takes bytes."""

from __future__ import annotations

from twisted.internet.tcp import Connection


class EagerWriting(Connection):
    """
    A TCP connection that sends at once what it is given, if nothing waits before it.

    Twisted asks the kernel first whether there is room, nearly always in vain: two more system
    calls and a turn of the reactor for each answer. What does not go out, or breaks, takes that
    way still, so that nobody is told of an end from within a write.
    """

    def write(self, data: bytes) -> None:
        """Send bytes after all that was written before."""
        if data and self._may_send:
            data = self._send_at_once(data)
            if self.producer is not None and not self.streamingProducer:
                # It is asked for more when the socket is ready.
                self.startWriting()
        if data:
            super().write(data)

    @property
    def _may_send(self) -> bool:
        # Behind startTLS() bytes belong to Twisted's TLS.
        return bool(self.connected) and not (self.TLS or self.dataBuffer or self._tempDataLen)

    def _send_at_once(self, data: bytes) -> bytes:
        """Send what the socket takes now; give the rest."""
        count = self.writeSomeData(data)
        if isinstance(count, Exception):
            return data
        return data[count:] if count else data
