"""Ports are opened where the configuration says, or the reason is told in one line."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.units import ListenAddress, parse_listen_address
from menderproxy.listen.endpoints import Listener, ListenError
from menderproxy.listen.transport import Ports

EVERYWHERE = parse_listen_address(":8443")


@attrs.define
class Opened:
    """A port."""

    interface: str
    port: int
    backlog: int
    is_open: bool = True

    def getHost(self) -> IPv4Address:
        """Give where it listens."""
        return IPv4Address("TCP", self.interface, self.port)

    def stopListening(self) -> None:
        """Close it."""
        self.is_open = False


class FakePorts(Ports):
    """
    Opens nothing, and can't open everything.

    :param errors: the error number for each address that can't be bound.
    :ivar opened: what was opened so far.
    :ivar adopted: the file descriptors of what listened before.
    """

    def __init__(self, errors: Mapping[str, int] | None = None):
        self._errors = errors or {}
        self.opened: list[Opened] = []
        self.adopted: list[int] = []

    def listen(self, reactor: Any, factory: Any, *, interface: str, port: int, backlog: int) -> Any:
        """Open a port, or refuse."""
        if interface in self._errors:
            number = self._errors[interface]
            raise CannotListenError(interface, port, OSError(number, os.strerror(number)))
        self.opened.append(Opened(interface, port, backlog))
        return self.opened[-1]

    def adopt(self, reactor: Any, factory: Any, listening: socket.socket) -> Any:
        """Take a socket that listens."""
        self.adopted.append(listening.fileno())
        return Opened("127.0.0.1", 443, 0)

    @property
    def bound(self) -> list[tuple[str, int]]:
        """Address and port of each port that was opened."""
        return [(port.interface, port.port) for port in self.opened]


def listener(ports: FakePorts, address: ListenAddress = EVERYWHERE, **options: Any) -> Listener:
    """Make a listener."""
    factory = Factory.forProtocol(Protocol)
    return Listener(Clock(), "HTTPS.Listen", address, factory, ports=ports, **options)


class OpenTests(SynchronousTestCase):
    """Where a port is opened."""

    def bound(self, text: str, ports: FakePorts | None = None) -> list[tuple[str, int]]:
        """Give what is bound for an address in the configuration."""
        ports = FakePorts() if ports is None else ports
        listener(ports, parse_listen_address(text)).privilegedStartService()
        return ports.bound

    def test_everywhere(self) -> None:
        """Without a host the port takes IPv6 and IPv4 connections."""
        self.assertEqual(self.bound(":8443"), [("::", 8443)])

    def test_without_ipv6(self) -> None:
        """A machine without IPv6 listens by IPv4, however it says so."""
        for number in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            self.assertEqual(self.bound(":8443", FakePorts({"::": number})), [("0.0.0.0", 8443)])

    def test_addresses(self) -> None:
        """An address is bound as it is, and nothing else."""
        self.assertEqual(self.bound("127.0.0.1:80"), [("127.0.0.1", 80)])
        self.assertEqual(self.bound("[::1]:80"), [("::1", 80)])

    def test_names(self) -> None:
        """A name is looked up; with addresses of both kinds the IPv4 one counts, as in Go."""
        found: list[Any] = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.2", 0)),
        ]
        self.patch(socket, "getaddrinfo", lambda *args, **kwargs: found)
        self.assertEqual(self.bound("gateway.example:80"), [("192.0.2.1", 80)])
        del found[1:]
        self.assertEqual(self.bound("gateway.example:80"), [("2001:db8::1", 80)])

    def test_logged(self) -> None:
        """The log says what is open where."""
        with capturedLogs() as events:
            listener(FakePorts()).privilegedStartService()
        self.assertIn(
            "HTTPS.Listen: listening on [::]:8443", [formatEvent(event) for event in events]
        )

    def test_backlog(self) -> None:
        """A crowd of devices may knock at once."""
        ports = FakePorts()
        listener(ports).privilegedStartService()
        self.assertEqual(ports.opened[0].backlog, 1024)


class RefusedTests(SynchronousTestCase):
    """Why a port can't be opened."""

    def refusal(self, text: str, errors: Mapping[str, int]) -> tuple[str, FakePorts]:
        """Give the line that says why, and the ports."""
        ports = FakePorts(errors)
        opening = listener(ports, parse_listen_address(text)).privilegedStartService
        return str(self.assertRaises(ListenError, opening)), ports

    def test_busy(self) -> None:
        """A port that another process has is not tried by IPv4 in its stead."""
        line, ports = self.refusal(":8443", {"::": errno.EADDRINUSE})
        self.assertEqual(line, "HTTPS.Listen: :8443: Address already in use")
        self.assertEqual(ports.bound, [])

    def test_without_privilege(self) -> None:
        """A port below 1024 needs a privilege."""
        line, _ = self.refusal("127.0.0.1:443", {"127.0.0.1": errno.EACCES})
        self.assertEqual(line, "HTTPS.Listen: 127.0.0.1:443: Permission denied")

    def test_foreign_address(self) -> None:
        """An address that this machine does not have is named, and no other one taken."""
        line, ports = self.refusal("[2001:db8::1]:443", {"2001:db8::1": errno.EADDRNOTAVAIL})
        self.assertEqual(line, "HTTPS.Listen: [2001:db8::1]:443: Cannot assign requested address")
        self.assertEqual(ports.bound, [])

    def test_neither_family(self) -> None:
        """The reason told is that of the last try."""
        errors = {"::": errno.EAFNOSUPPORT, "0.0.0.0": errno.EADDRINUSE}
        line, _ = self.refusal(":80", errors)
        self.assertEqual(line, "HTTPS.Listen: :80: Address already in use")

    def test_unknown_name(self) -> None:
        """A name that can't be looked up is named."""

        def unknown(*args: object, **kwargs: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        self.patch(socket, "getaddrinfo", unknown)
        line, _ = self.refusal("nowhere.example:80", {})
        self.assertEqual(line, "HTTPS.Listen: nowhere.example:80: Name or service not known")

    def test_without_a_number(self) -> None:
        """A reason that is no system error is told as it is."""

        class Odd(FakePorts):
            def listen(self, *args: Any, **kwargs: Any) -> Any:
                raise CannotListenError("::", 80, "odd")

        error = self.assertRaises(ListenError, listener(Odd()).privilegedStartService)
        self.assertEqual(str(error), "HTTPS.Listen: :8443: odd")


class LifeTests(SynchronousTestCase):
    """A port is opened once, closed once, and may be opened again."""

    def test_privileged_and_unprivileged(self) -> None:
        """The port that was opened as root stays open."""
        ports = FakePorts()
        service = listener(ports)
        service.privilegedStartService()
        service.startService()
        self.assertEqual(len(ports.bound), 1)
        self.assertTrue(service.running)

    def test_embedded(self) -> None:
        """Started without privileges the port is opened then."""
        ports = FakePorts()
        listener(ports).startService()
        self.assertEqual(len(ports.bound), 1)

    def test_stopped(self) -> None:
        """Stopped services can be started again, or stopped again."""
        ports = FakePorts()
        service = listener(ports)
        service.startService()
        self.successResultOf(service.stopService())
        self.assertFalse(service.running)
        self.successResultOf(service.stopService())
        service.startService()
        self.assertEqual(len(ports.bound), 2)

    def test_inherited(self) -> None:
        """Sockets that listen already are adopted, each time anew, and nothing else is opened."""
        ports = FakePorts()
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        for server in servers:
            self.addCleanup(server.close)
        service = listener(ports, inherited=servers)
        for _ in range(2):
            service.startService()
            self.assertEqual(ports.adopted, [server.fileno() for server in servers])
            ports.adopted.clear()
            self.successResultOf(service.stopService())
        self.assertEqual(ports.bound, [])

    def test_for_probes(self) -> None:
        """An inherited one never stays open for probes: the next process takes connections."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.assertTrue(listener(FakePorts(), for_probes=True).for_probes)
            passed = listener(FakePorts(), inherited=[server], for_probes=True)
            self.assertFalse(passed.for_probes)
        self.assertFalse(listener(FakePorts()).for_probes)

    def test_address(self) -> None:
        """Until the port is open its address is the configured one."""
        service = listener(FakePorts(), parse_listen_address("[::1]:80"))
        self.assertEqual(str(service.address), "[::1]:80")
        service.startService()
        self.assertEqual(str(service.address), "[::1]:80")
