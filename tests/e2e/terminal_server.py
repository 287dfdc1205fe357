"""The Mender Server's end of remote terminals, to which mender-connect keeps a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import attrs
from twisted.internet.defer import DeferredQueue
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import Request

from menderproxy.demo.mender_server import DemoMenderServer
from menderproxy.demo.tokens import bearer_token

from .processes import Reactor
from .protomsg import Message, Packable, Protocol

if TYPE_CHECKING:
    from twisted.web.websocket import WebSocketTransport

CONNECT = "/api/devices/v1/deviceconnect/connect"

PING_INTERVAL = 2.5
"""Seconds from the server's one ping to the next; the real one's are 30."""

_PATIENCE = 60.0


class TerminalServer(Resource):
    """
    Answers devices that ask for WebSocket, and leaves all other requests to the demo's server.

    :ivar connections: those of devices, oldest first, with those that are closed.
    """

    isLeaf = True

    def __init__(self, reactor: Reactor, server: DemoMenderServer):
        super().__init__()  # type: ignore[no-untyped-call]
        # Imported here so that without wsproto the tests are skipped, not broken.
        from twisted.web.websocket import WebSocketResource

        self.connections: list[DeviceConnection] = []
        self._reactor = reactor
        self._server = server
        self._websocket = WebSocketResource(self)

    def render(self, request: Request) -> bytes | int:
        """Answer one request."""
        if request.path != CONNECT.encode():
            return self._server.render(request)
        token = bearer_token(request.getHeader(b"authorization"))
        if token not in {device.token for device in self._server.devices.values()}:
            request.setResponseCode(http.UNAUTHORIZED)
            return b""
        return self._websocket.render_GET(request)

    def buildProtocol(self, request: Request) -> DeviceConnection:
        """Begin a connection (called by Twisted when a device has asked for WebSocket)."""
        connection = DeviceConnection(self._reactor)
        self.connections.append(connection)
        return connection


class DeviceConnection:
    """
    A device's connection, over which users get to it.

    :ivar is_open: it has not been closed yet.
    :ivar pongs: how many of the server's pings the device has answered.
    """

    _transport: WebSocketTransport

    def __init__(self, reactor: Reactor):
        self.is_open = True
        self.pongs = 0
        self._reactor = reactor
        self._sessions: dict[str, DeferredQueue[Message]] = {}
        self._pinging = LoopingCall(lambda: self._transport.ping())
        self._pinging.clock = reactor

    def session(self, protocol: Protocol) -> Session:
        """Begin something new with the device."""
        session = Session(self, protocol, str(uuid4()), DeferredQueue(), self._reactor)
        self._sessions[session.id] = session.messages
        return session

    def send(self, message: Message) -> None:
        """Send a message to the device."""
        self._transport.sendBytesMessage(message.pack())

    def close(self) -> None:
        """Close the connection in good order."""
        self._stop_pinging()
        self._transport.loseConnection()

    # From Twisted

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        """There is something to send on."""
        self._transport = transport

    def negotiationFinished(self) -> None:
        """Messages may be exchanged."""
        pinging = self._pinging.start(PING_INTERVAL, now=False)
        # Twisted keeps a device's goodbye to itself, and after it no ping can be sent.
        pinging.addErrback(lambda _: None)

    def pongReceived(self, payload: bytes) -> None:
        """The device has answered a ping."""
        self.pongs += 1

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        """A message came."""
        message = Message.unpack(bytes(data))
        # mender-connect may go on with what was begun on an earlier connection.
        if message.session in self._sessions:
            self._sessions[message.session].put(message)

    def textMessageReceived(self, message: str) -> None:
        """Something came that no device sends."""
        raise ValueError(message)

    def connectionLost(self, reason: Failure) -> None:
        """The connection is closed."""
        self.is_open = False
        self._stop_pinging()

    def _stop_pinging(self) -> None:
        if self._pinging.running:
            self._pinging.stop()


@attrs.frozen
class Session:
    """
    One thing that a user does with a device; made by :meth:`DeviceConnection.session`.

    :param messages: that the device sent in this session.
    """

    _connection: DeviceConnection
    _protocol: Protocol
    id: str
    messages: DeferredQueue[Message]
    _reactor: Reactor = attrs.field(repr=False)

    def send(self, type: str, body: bytes = b"", **properties: Packable) -> None:
        """Send a message to the device."""
        self._connection.send(Message(self._protocol, type, self.id, properties, body))

    async def receive(self, *types: str) -> Message:
        """
        Wait for the device's next message.

        :param types: one of which it has to be.
        :raises ValueError: when it is none of them, with what it says.
        """
        while True:
            message = await self.messages.get().addTimeout(_PATIENCE, self._reactor)
            if message.type != "ping":
                break
            # A shell that is quiet for a while asks whether anybody is still there.
            self.send("pong")
        if message.type not in types:
            raise ValueError(f"{message.type}: {message.body!r}")
        return message
