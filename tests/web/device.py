"""A device in memory: raw bytes to a site, and the answers that come back."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ISSLTransport, ITCPTransport
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from menderproxy.web.channel import GatewayChannel
from menderproxy.web.site import GatewaySite

HOST = (b"Host", b"gateway.example")


@attrs.frozen
class Reply:
    """
    One answer.

    :param headers: as they came, duplicates included.
    :param body: without the transfer encoding.
    """

    version: bytes
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def __getitem__(self, name: bytes) -> bytes | None:
        """Look up a header that must not be there twice, its name exactly as it is spelled."""
        values = [value for header, value in self.headers if header == name]
        assert len(values) < 2, (name, values)
        return values[0] if values else None

    @property
    def names(self) -> set[bytes]:
        """The names of the headers, in lower case."""
        return {name.lower() for name, _ in self.headers}


def replies(raw: bytes, *, to_head: bool = False) -> list[Reply]:
    """
    Take complete answers apart, as strictly as a device that trusts their framing.

    :param to_head: whether they answer HEAD, and so have no body.
    """
    found = []
    while raw:
        head, separator, raw = raw.partition(b"\r\n\r\n")
        assert separator, head
        first, *lines = head.split(b"\r\n")
        version, status, _ = first.split(b" ", 2)
        headers = [(name, value) for name, value in (line.split(b": ", 1) for line in lines)]
        reply = Reply(version, int(status), headers, b"")
        if not to_head and reply.status >= 200 and reply.status not in (204, 304):
            body, raw = _body(reply, raw)
            reply = attrs.evolve(reply, body=body)
        found.append(reply)
    return found


def _body(reply: Reply, raw: bytes) -> tuple[bytes, bytes]:
    length = reply[b"Content-Length"]
    if length is not None:
        assert reply[b"Transfer-Encoding"] is None
        assert len(raw) >= int(length), f"{len(raw)} bytes of {int(length)}"
        return raw[: int(length)], raw[int(length) :]
    assert reply.version == b"HTTP/1.1" and reply[b"Transfer-Encoding"] == b"chunked", reply
    body = b""
    while True:
        size, separator, raw = raw.partition(b"\r\n")
        assert separator, "a broken chunk"
        body += raw[: int(size, 16)]
        assert raw[int(size, 16) :].startswith(b"\r\n"), "a broken chunk"
        raw = raw[int(size, 16) + 2 :]
        if int(size, 16) == 0:
            return body, raw


@implementer(ITCPTransport)
class Line(StringTransport):  # type: ignore[misc]
    """
    The gateway's end of the connection; like a real one it closes when the device agrees.

    :ivar aborted: whether the gateway cut it.
    """

    def __init__(self, address: str):
        super().__init__(  # type: ignore[no-untyped-call]
            peerAddress=IPv4Address("TCP", address, 40000), lenient=True
        )
        self.aborted = False

    def abortConnection(self) -> None:
        """Cut the connection."""
        self.aborted = True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Nothing to keep alive here."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing to delay here."""


class Device:
    """
    One connection of a device to a site.

    :param secure: whether it came by TLS.
    """

    def __init__(
        self, site: GatewaySite, *, address: str = "192.0.2.7", secure: bool = False
    ) -> None:
        self.line = Line(address)
        if secure:
            alsoProvides(self.line, ISSLTransport)
        self.channel: GatewayChannel = site.buildProtocol(self.line.getPeer())
        self.channel.makeConnection(self.line)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.channel.dataReceived(data)

    def ask(
        self,
        method: bytes,
        target: bytes,
        *headers: tuple[bytes, bytes],
        body: bytes = b"",
        version: bytes = b"HTTP/1.1",
    ) -> None:
        """Send a request with a Host and, if it has a body, its length."""
        lines = [HOST, *headers]
        if body:
            lines.append((b"Content-Length", b"%d" % len(body)))
        head = b"".join(b"%b: %b\r\n" % line for line in lines)
        self.send(b"%b %b %b\r\n%b\r\n%b" % (method, target, version, head, body))

    @property
    def received(self) -> bytes:
        """All bytes that came."""
        data: bytes = self.line.value()
        return data

    def reply(self, *, to_head: bool = False) -> Reply:
        """Give the only answer that came, all of it."""
        (reply,) = replies(self.received, to_head=to_head)
        return reply

    def forget_received(self) -> None:
        """Have nothing received yet."""
        self.line.clear()

    @property
    def cut(self) -> bool:
        """Whether the gateway cut the connection."""
        return self.line.aborted

    @property
    def closed(self) -> bool:
        """Whether the gateway closed the connection without cutting off what it had sent."""
        return bool(self.line.disconnecting) and not self.cut

    def stop_reading(self) -> None:
        """Let the buffers on the way fill up."""
        self._producer.pauseProducing()

    def read_on(self) -> None:
        """Empty them."""
        self._producer.resumeProducing()

    @property
    def _producer(self) -> Any:
        return self.line.producer

    def hang_up(self) -> None:
        """Go away, and let the gateway learn of it in the order in which Twisted tells."""
        if self.line.producer is not None:
            self.line.producer.stopProducing()
        self.channel.connectionLost(Failure(ConnectionDone()))
