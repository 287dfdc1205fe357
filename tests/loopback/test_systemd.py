"""The process under systemd, whose part the test plays: notifications and passed sockets."""

from __future__ import annotations

import socket
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.protocol import ConnectedDatagramProtocol

from tests.loopback.command import (
    ALIVE,
    CONSOLE,
    LOOPBACK,
    READY,
    TWISTD,
    CommandTestCase,
    Process,
)
from tests.loopback.exchange import get, status
from tests.loopback.lines import connect


class Notifications(ConnectedDatagramProtocol):
    """
    What processes told.

    :ivar messages: all that came.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self._awaited: list[tuple[str, int, Deferred[None]]] = []

    def datagramReceived(self, datagram: bytes, *_: Any) -> None:
        """Take a message."""
        lines = datagram.decode().split("\n")
        self.messages.append(dict(line.split("=", 1) for line in lines))
        awaited, self._awaited = self._awaited, []
        for name, count, told in awaited:
            if self.count(name) >= count:
                told.callback(None)
            else:
                self._awaited.append((name, count, told))

    def count(self, name: str) -> int:
        """Count the messages about something."""
        return sum(name in message for message in self.messages)

    def until_told(self, name: str, count: int = 1) -> Deferred[None]:
        """Wait for so many messages about something."""
        if self.count(name) >= count:
            return succeed(None)
        told: Deferred[None] = Deferred()
        self._awaited.append((name, count, told))
        return told

    @property
    def states(self) -> list[str]:
        """What came, by its first word."""
        return [next(iter(message)) for message in self.messages]


class NotificationTests(CommandTestCase):
    """What systemd is told."""

    def setUp(self) -> None:
        """Listen."""
        # Not mktemp(): a socket's address has to be short.
        directory = Path(mkdtemp())
        self.addCleanup(rmtree, directory)
        self.address = str(directory / "notify")
        self.systemd = Notifications()
        port: Any = reactor.listenUNIXDatagram(  # type: ignore[attr-defined]
            self.address, self.systemd, maxPacketSize=65536
        )
        self.addCleanup(maybeDeferred, port.stopListening)

    def run_notifying(self, command: tuple[str, ...], **environ: str) -> Process:
        """Run a command as a service of the type ``notify``."""
        return self.run_command(
            command,
            environ={"NOTIFY_SOCKET": self.address, **environ},
            HTTP={"Listen": f"{LOOPBACK}:0"},
        )

    async def test_life(self) -> None:
        """It is told when devices are served, when files are read again, and of the end."""
        for command in (TWISTD, CONSOLE):
            self.systemd.messages.clear()
            gateway = self.run_notifying(command)
            await self.systemd.until_told("READY")
            answer = await get(reactor, LOOPBACK, gateway.port(), READY)
            self.assertEqual(status(answer), 204)
            gateway.tell("HUP")
            await self.systemd.until_told("READY", 2)
            gateway.tell("TERM")
            await self.assert_stopped(gateway)
            self.assertEqual(self.systemd.states, ["READY", "RELOADING", "READY", "STOPPING"])

    async def test_watchdog(self) -> None:
        """It gets signs of life, without end, if it wants them."""
        gateway = self.run_notifying(CONSOLE, WATCHDOG_USEC="20000")
        await self.systemd.until_told("WATCHDOG", 5)
        gateway.tell("TERM")
        await self.assert_stopped(gateway)

    async def test_nobody(self) -> None:
        """When it does not listen, devices are served nevertheless."""
        gateway = self.run_notifying(CONSOLE, NOTIFY_SOCKET="/nowhere/notify")
        await gateway.until_seen("NOTIFY_SOCKET: /nowhere/notify: No such file or directory")
        answer = await get(reactor, LOOPBACK, gateway.port(), READY)
        self.assertEqual(status(answer), 204)
        gateway.tell("TERM")
        await self.assert_stopped(gateway)


class SocketActivationTests(CommandTestCase):
    """Sockets that systemd opened."""

    def listening(self) -> socket.socket:
        """Open one."""
        server = socket.create_server((LOOPBACK, 0))
        self.addCleanup(server.close)
        return server

    def run_activated(self, server: socket.socket, name: str) -> Process:
        """Run a gateway that gets one, and whose own port nobody may have."""
        return self.run_command(
            sockets=[server],
            environ={"LISTEN_FDNAMES": name},
            HTTP={"Listen": "192.0.2.1:1" if name == "http" else f":{server.getsockname()[1]}"},
        )

    async def test_served(self) -> None:
        """They are served in the place of the configured addresses, by name or by port."""
        for name in ("http", "mender-gateway.socket"):
            server = self.listening()
            port = int(server.getsockname()[1])
            gateway = self.run_activated(server, name)
            await gateway.until_seen("running...")
            self.assertEqual(gateway.port(), port)
            self.assertEqual(status(await get(reactor, LOOPBACK, port, ALIVE)), 204)
            gateway.tell("TERM")
            await self.assert_stopped(gateway)

    async def test_restart(self) -> None:
        """Nobody is turned away: one process answers whom it accepted, the next one the others."""
        server = self.listening()
        port = int(server.getsockname()[1])
        first = self.run_activated(server, "http")
        await first.until_seen("running...")
        early = await connect(reactor, port)
        self.addCleanup(early.cut)
        # By now the first process has accepted it, but does not know what it is to ask.
        self.assertEqual(status(await get(reactor, LOOPBACK, port, READY)), 204)
        first.tell("TERM")
        await first.until_seen("draining")
        request = f"GET {READY} HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode()
        early.send(request)
        await early.until_lost()
        self.assertEqual((status(bytes(early.received)), early.was_cut), (503, False))
        await self.assert_stopped(first)
        late = await connect(reactor, port)
        self.addCleanup(late.cut)
        late.send(request)
        second = self.run_activated(server, "http")
        await late.until_seen(b"\r\n\r\n")
        self.assertEqual(status(bytes(late.received)), 204)
        second.tell("TERM")
        await self.assert_stopped(second)

    async def test_unusable(self) -> None:
        """One that can't be served keeps the gateway from starting, in one line."""
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(datagrams.close)
        gateway = self.run_command(sockets=[datagrams], environ={"LISTEN_FDNAMES": "https"})
        self.assertEqual(await gateway.ended, 1)
        line = "LISTEN_FDS: descriptor 3 (https): is no TCP socket that listens"
        self.assertEqual(gateway.output, f"mender-gateway: {line}\n")
