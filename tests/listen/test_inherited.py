"""Sockets that are passed to the process get to the listeners they are meant for."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.endpoints import ListenError
from menderproxy.listen.inherited import (
    InheritedSocket,
    passed_descriptors,
    sockets_by_listener,
    take_sockets,
)
from tests.config.documents import config_with


class TakeTests(SynchronousTestCase):
    """Which sockets there are."""

    def test_taken(self) -> None:
        """Each has its name, is ours alone, and never waits."""
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        passed = [os.dup(server.fileno()) for server in servers]
        for descriptor in passed:
            os.set_inheritable(descriptor, True)
        taken = take_sockets({"LISTEN_FDNAMES": "https:http"}, passed)
        self.assertEqual([each.name for each in taken], ["https", "http"])
        for each, server in zip(taken, servers, strict=True):
            with each.socket, server:
                self.assertEqual(each.socket.getsockname(), server.getsockname())
                self.assertFalse(os.get_inheritable(each.socket.fileno()))
                self.assertFalse(each.socket.getblocking())

    def test_none(self) -> None:
        """There may be none, as here."""
        self.assertEqual(take_sockets({}, passed_descriptors()), [])

    def test_not_for_children(self) -> None:
        """The variables are gone from the environment, whomever they were meant for."""
        about_sockets = dict.fromkeys(("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"), "1")
        environ = {**about_sockets, "PATH": "/bin"}
        take_sockets(environ, [])
        self.assertEqual(environ, {"PATH": "/bin"})


class UnusableTests(SynchronousTestCase):
    """What can't be listened on is told, descriptor and all."""

    def assert_refused(self, descriptor: int, reason: str) -> None:
        """Assert that it is refused."""
        environ = {"LISTEN_FDNAMES": "https"}
        error = self.assertRaises(ListenError, take_sockets, environ, [descriptor])
        self.assertEqual(str(error), f"LISTEN_FDS: descriptor {descriptor} (https): {reason}")

    def test_not_listening(self) -> None:
        """A socket has to be of TCP, and to listen."""
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        local.bind(f"\0menderproxy-{os.getpid()}")
        local.listen()
        for each in (datagrams, local, socket.socket()):
            with each:
                descriptor = os.dup(each.fileno())
                self.assert_refused(descriptor, "is no TCP socket that listens")
                # It was closed.
                self.assertRaises(OSError, os.fstat, descriptor)

    def test_no_socket(self) -> None:
        """A file is no socket."""
        with open(os.devnull, "rb") as file:
            self.assert_refused(file.fileno(), "Socket operation on non-socket")

    def test_nothing(self) -> None:
        """Neither is a descriptor that is not open."""
        self.assert_refused(1000000, "Bad file descriptor")


class ListenerTests(SynchronousTestCase):
    """Which listener gets which socket."""

    def server(self, host: str = "127.0.0.1") -> socket.socket:
        """Listen on some port."""
        server = socket.create_server((host, 0))
        self.addCleanup(server.close)
        return server

    def found(
        self, *sockets: InheritedSocket, **settings: object
    ) -> Mapping[str, list[socket.socket]]:
        """Give each listener's sockets."""
        paths = {"http": "HTTP.Listen", "https": "HTTPS.Listen", "https_on": "HTTPS.Enabled"}
        usual = {"https_on": True, **settings}
        config = config_with(
            *((paths[name], value) for name, value in usual.items()),
            ("HTTPS.ServerCertificate", "/gateway.crt"),
            ("HTTPS.ServerKey", "/gateway.key"),
        )
        return sockets_by_listener(sockets, config)

    def test_by_name(self) -> None:
        """A name decides, whatever the port."""
        one, two = self.server(), self.server()
        found = self.found(InheritedSocket("https", one), InheritedSocket("http", two))
        self.assertEqual(found, {"http": [two], "https": [one], "metrics": []})

    def test_several(self) -> None:
        """Several of one name are all used: IPv4 and IPv6 may have a socket each."""
        servers = [self.server("127.0.0.1"), self.server("127.0.0.2")]
        found = self.found(*(InheritedSocket("http", each) for each in servers))
        self.assertEqual(found["http"], servers)

    def test_by_port(self) -> None:
        """Without a name of its own a socket goes to the listener that has its port."""
        for name in ("", "unknown", "mender-gateway.socket"):
            server = self.server()
            at = f":{server.getsockname()[1]}"
            self.assertEqual(self.found(InheritedSocket(name, server), https=at)["https"], [server])
            self.assertEqual(self.found(InheritedSocket(name, server), http=at)["http"], [server])

    def test_unknown(self) -> None:
        """One that belongs to none is named, with the reason: TLS or not is not to be guessed."""
        server = self.server()
        at = "{}:{}".format(*server.getsockname())
        for name, reason in (
            ("htps", "must be named http, https or metrics"),
            (
                "gw.socket",
                "has the port of no listener, and is not named http, https or metrics",
            ),
        ):
            error = self.assertRaises(ListenError, self.found, InheritedSocket(name, server))
            self.assertEqual(str(error), f"LISTEN_FDS: {at} ({name}): {reason}")

    def test_off(self) -> None:
        """One for a listener that is off is not used, and that is said."""
        server = self.server()
        at = "{}:{}".format(*server.getsockname())
        with capturedLogs() as events:
            found = self.found(InheritedSocket("https", server), https_on=False)
        self.assertEqual(found["https"], [])
        lines = [formatEvent(event) for event in events]
        self.assertIn(f"{at} (https) was passed for https, which is off", lines)

    def test_port_of_one_that_is_off(self) -> None:
        """The port of a listener that is off may be another one's, and the socket is its."""
        server = self.server()
        at = f":{server.getsockname()[1]}"
        found = self.found(InheritedSocket("", server), http=at, https=at, https_on=False)
        self.assertEqual(found["http"], [server])
