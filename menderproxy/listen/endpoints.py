"""From a listen address to an open port, or one clear line why not."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger

from menderproxy.config.units import ListenAddress

BACKLOG = 1024


class ListenError(Exception):
    """A port can't be opened; the text names the address and says why."""


class Listener(Service):
    """
    One listening port, open from ``privilegedStartService`` on.

    Twisted's own ``StreamServerEndpointService`` only logs a busy port, and the process then
    runs on and listens to nothing; this one raises.

    :param label: what the configuration calls it, such as ``HTTPS.Listen``.
    :param address: an empty host means every address, IPv6 and IPv4.
    :param factory: makes the factory once the port is to be opened.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        label: str,
        address: ListenAddress,
        factory: Callable[[], IProtocolFactory],
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
        """Open the port if that was not done yet (embedded services start straight here)."""
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
        factory = self._factory()
        error: OSError | None = None
        for interface in self._interfaces():
            try:
                port: IListeningPort = self._reactor.listenTCP(
                    self._address.port, factory, backlog=BACKLOG, interface=interface
                )
                return port
            except CannotListenError as cannot:
                error = cannot.socketError
                if not _no_such_family(error):
                    break
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ListenError(f"{self._label}: {self._address}: {reason}") from None

    def _interfaces(self) -> list[str]:
        """What to bind to; the second one is for machines without IPv6."""
        if not self._address.host:
            return ["::", "0.0.0.0"]
        try:
            found = socket.getaddrinfo(
                self._address.host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except OSError as error:
            raise ListenError(f"{self._label}: {self._address}: {error.strerror}") from None
        return [str(found[0][4][0])]


def _no_such_family(error: object) -> bool:
    import errno

    return isinstance(error, OSError) and error.errno in (
        errno.EAFNOSUPPORT,
        errno.EADDRNOTAVAIL,
    )
