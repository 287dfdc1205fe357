"""An upstream that answers everything, and keeps each byte that it got."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.loopback.lines import LOOPBACK
from tests.security.differential.reading import Doubt, Incomplete, Request, read_one

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


class _Connection(Protocol):
    """One connection of the server under test."""

    def __init__(self, recorder: Recorder):
        self._recorder = recorder
        self._data = b""

    @property
    def rest(self) -> bytes:
        """What came behind the last request."""
        return self._data

    def connectionMade(self) -> None:
        self._recorder.connections.append(self)

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        try:
            while self._data:
                request = read_one(self._data)
                self._data = self._data[len(request.raw) :]
                self._recorder.requests.append(request)
                self._answer(b"" if request.method == b"HEAD" else b"ok")
        except Incomplete:
            pass
        except Doubt:
            self._wire.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._recorder.connections.remove(self)
        if self._data:
            self._recorder.garbled.append(self._data)

    def _answer(self, body: bytes) -> None:
        self._wire.write(ANSWER % (len(b"ok"), body))

    @property
    def _wire(self) -> Any:
        return self.transport


class Recorder:
    """
    What one server under test forwards.

    :ivar requests: each that was read, in order of their ends.
    :ivar garbled: what was no request at all, or half of one.
    :ivar connections: that are open.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.garbled: list[bytes] = []
        self.connections: list[_Connection] = []
        self._port: IListeningPort | None = None

    async def start(self, reactor: Any) -> int:
        """Listen, and tell at which port."""
        endpoint = TCP4ServerEndpoint(reactor, 0, interface=LOOPBACK)
        self._port = await endpoint.listen(Factory.forProtocol(lambda: _Connection(self)))
        return int(cast(Any, self._port).getHost().port)

    def stop(self) -> Any:
        """Listen no more, and cut what is open."""
        for connection in list(self.connections):
            connection._wire.abortConnection()
        assert self._port is not None
        return self._port.stopListening()

    def take(self) -> tuple[list[Request], list[bytes]]:
        """Give what came since the last time: requests, and what was none."""
        garbled = self.garbled + [each.rest for each in self.connections if each.rest]
        requests, self.requests, self.garbled = self.requests, [], []
        return requests, garbled
