"""HTTP with a resource in memory: raw requests in, parsed answers out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Site


@attrs.frozen
class Reply:
    """
    An answer as far as it has come.

    :param status: 0 while nothing has come.
    :param headers: by lower-case name.
    :param body: as transferred: still chunked or compressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Read the body as JSON, compressed or not."""
        packed = self.headers.get("content-encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if packed else self.body)


class Conversation:
    """One connection to a site that serves *root*."""

    def __init__(self, root: IResource, clock: Clock):
        self.transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 1234))
        self._clock = clock
        self._channel = Site(root, reactor=clock).buildProtocol(self.transport.getPeer())
        self._channel.makeConnection(self.transport)

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        """Send one request, let all that is due happen, and read the answer so far."""
        fields = {"Host": "store.example", **(headers or {})}
        if body:
            fields["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.transport.clear()
        self._channel.dataReceived(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return self.read()

    def read(self) -> Reply:
        """Let all that is due happen, and read the answer so far."""
        self._clock.advance(0)
        if not self.transport.value():
            return Reply(0, {}, b"")
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return Reply(int(status.split(" ")[1]), {n.lower(): v for n, v in pairs}, body)

    def hang_up(self) -> None:
        """Close the connection from the client's side, as a real transport would tell."""
        if self.transport.producer is not None:
            self.transport.producer.stopProducing()
        self._channel.connectionLost(Failure(ConnectionDone()))
