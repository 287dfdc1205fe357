"""From a listen address to an open port, or one clear line why not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger

from menderproxy.config.units import ListenAddress
from menderproxy.listen.transport import Ports

BACKLOG = 1024
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class ListenError(Exception):
    """A port can't be opened; the text names the address and says why."""


class Listener(Service):
    """
    One listener of the configuration, open from ``privilegedStartService`` on.

    Twisted's own ``StreamServerEndpointService`` only logs a busy port, and the process then
    runs on and listens to nothing; this one raises.

    :param label: what the configuration calls it, such as ``HTTPS.Listen``.
    :param address: an empty host means every address, IPv6 and IPv4.
    :param factory: serves the connections.
    :param inherited: sockets that listen already; the address does not count then.
    :param ports: opens the port; plain ones by default.
    :param for_probes: whether it is to stay open while the gateway drains, for those who look
        whether it wants requests. An inherited socket never is: who passed it keeps it open, and
        whoever connects waits there for the next process.
    :ivar for_probes: the same.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        label: str,
        address: ListenAddress,
        factory: IProtocolFactory,
        inherited: Sequence[socket.socket] = (),
        *,
        ports: Ports | None = None,
        for_probes: bool = False,
    ):
        self.for_probes = for_probes and not inherited
        self._reactor = reactor
        self._label = label
        self._address = address
        self._factory = factory
        self._inherited = inherited
        self._opener = Ports() if ports is None else ports
        self._ports: list[IListeningPort] = []

    def privilegedStartService(self) -> None:
        """
        Open the port while we may still be root.

        :raises ListenError: it can't be opened.
        """
        if not self._ports:
            self._ports = self._adopt() if self._inherited else [self._listen()]
            for port in self._ports:
                self.log.info("{label}: listening on {at}", label=self._label, at=_address(port))

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
        ports, self._ports = self._ports, []
        stopping = [maybeDeferred(port.stopListening) for port in ports]
        return gatherResults(stopping).addCallback(lambda _: None)

    @property
    def address(self) -> ListenAddress:
        """Where it really listens (first), with the port that the system chose for port 0."""
        return _address(self._ports[0]) if self._ports else self._address

    def _adopt(self) -> list[IListeningPort]:
        return [self._opener.adopt(self._reactor, self._factory, each) for each in self._inherited]

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
        return self._opener.listen(
            self._reactor,
            self._factory,
            interface=interface,
            port=self._address.port,
            backlog=BACKLOG,
        )


def _address(port: IListeningPort) -> ListenAddress:
    host: Any = port.getHost()
    return ListenAddress(host.host, host.port)


def _numeric(host: str) -> str:
    """The address to bind a name to: one only, and IPv4 rather than IPv6, as Go does."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return str(min(found, key=lambda each: each[0] != socket.AF_INET)[4][0])
