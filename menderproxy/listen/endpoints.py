"""From a listen address to an open port, or one clear line why not."""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTCP
from twisted.logger import Logger

from menderproxy.config.units import ListenAddress

BACKLOG = 1024
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class ListenError(Exception):
    """A port can't be opened; the text names the address and says why."""


class Listener(Service):
    """
    One listening port, open from ``privilegedStartService`` on.

    Twisted's own ``StreamServerEndpointService`` only logs a busy port, and the process then
    runs on and listens to nothing; this one raises.

    :param label: what the configuration calls it, such as ``HTTPS.Listen``.
    :param address: an empty host means every address, IPv6 and IPv4.
    :param factory: serves the connections.
    """

    log = Logger()

    def __init__(
        self, reactor: IReactorTCP, label: str, address: ListenAddress, factory: IProtocolFactory
    ):
        self._reactor = reactor
        self._label = label
        self._address = address
        self._factory = factory
        self._port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """
        Open the port while we may still be root.

        :raises ListenError: it can't be opened.
        """
        if self._port is None:
            self._port = self._listen()
            self.log.info("{label}: listening on {at}", label=self._label, at=self.address)

    def startService(self) -> None:
        """
        Open the port if that was not done yet (embedded services start straight here).

        :raises ListenError: it can't be opened.
        """
        self.privilegedStartService()
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        """Close the port; connections that are open stay so."""
        super().stopService()  # type: ignore[no-untyped-call]
        port, self._port = self._port, None
        if port is None:
            return succeed(None)
        stopping: Deferred[None] = maybeDeferred(port.stopListening)  # type: ignore[call-overload]
        return stopping

    @property
    def address(self) -> ListenAddress:
        """Where it really listens, with the port that the system chose for port 0."""
        if self._port is None:
            return self._address
        host = self._port.getHost()
        return ListenAddress(host.host, host.port)  # type: ignore[attr-defined]

    def _listen(self) -> IListeningPort:
        try:
            if self._address.host:
                return self._listen_at(_numeric(self._address.host))
            return self._listen_everywhere()
        except CannotListenError as error:
            reason = getattr(error.socketError, "strerror", None) or str(error.socketError)
        except OSError as error:
            reason = error.strerror or str(error)
        raise ListenError(f"{self._label}: {self._address}: {reason}")

    def _listen_everywhere(self) -> IListeningPort:
        try:
            # On Linux this takes IPv4 connections as well.
            return self._listen_at("::")
        except CannotListenError as error:
            if getattr(error.socketError, "errno", None) not in _NO_IPV6:
                raise
        return self._listen_at("0.0.0.0")

    def _listen_at(self, interface: str) -> IListeningPort:
        # Its annotation asks for a class of Twisted's where the interface would do.
        factory: Any = self._factory
        return self._reactor.listenTCP(
            self._address.port, factory, backlog=BACKLOG, interface=interface
        )


def _numeric(host: str) -> str:
    """The address to bind a name to: one only, and IPv4 rather than IPv6, as Go does."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return str(min(found, key=lambda each: each[0] != socket.AF_INET)[4][0])
