"""Sockets that somebody else opened for us: socket activation, as systemd does it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, MutableMapping, Sequence

import attrs
from twisted.internet.endpoints import _SystemdParser
from twisted.logger import Logger

from menderproxy.config.model import GatewayConfig, Metrics, PlainListener, TLSListener
from menderproxy.config.units import ListenAddress
from menderproxy.listen.endpoints import ListenError

_NAMES = ("http", "https", "metrics")

log = Logger()


@attrs.frozen
class InheritedSocket:
    """
    One socket that was passed to this process, listening.

    :param name: what its ``FileDescriptorName=`` says; without one systemd gives it the name of
        its unit.
    """

    name: str
    socket: socket.socket

    @classmethod
    def take(cls, descriptor: int, name: str) -> InheritedSocket:
        """
        Take a descriptor over.

        :raises ListenError: it is no TCP socket that listens.
        """
        where = f"LISTEN_FDS: descriptor {descriptor} ({name or 'without a name'})"
        try:
            # From here on children don't inherit it.
            os.set_inheritable(descriptor, False)
            taken = socket.socket(fileno=descriptor)
        except OSError as error:
            raise ListenError(f"{where}: {error.strerror}") from None
        if not _listens(taken):
            taken.close()
            raise ListenError(f"{where}: is no TCP socket that listens")
        taken.setblocking(False)
        return cls(name, taken)

    @property
    def address(self) -> ListenAddress:
        """Where it listens."""
        host, port = self.socket.getsockname()[:2]
        return ListenAddress(host, port)

    @property
    def is_nameless(self) -> bool:
        """Whether nobody gave it a name on purpose."""
        return self.name in ("", "unknown") or self.name.endswith(".socket")

    def __str__(self) -> str:
        return f"{self.address} ({self.name or 'without a name'})"


def _listens(candidate: socket.socket) -> bool:
    return (
        candidate.family in (socket.AF_INET, socket.AF_INET6)
        and candidate.type == socket.SOCK_STREAM
        and candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    )


def passed_descriptors() -> list[int]:
    """
    Give the descriptors that were passed to this process, by the variables for that.

    Twisted looks at them when it is loaded, and takes them away: nobody can do it after it.
    """
    return _SystemdParser._sddaemon.inheritedDescriptors()


def take_sockets(
    environ: MutableMapping[str, str], descriptors: Sequence[int]
) -> list[InheritedSocket]:
    """
    Take the sockets over that were passed to this process.

    :param environ: has their names; all that is about them is taken out of it.
    :param descriptors: see :func:`passed_descriptors`.
    :raises ListenError: one of them can't be listened on.
    """
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    for variable in ("LISTEN_PID", "LISTEN_FDS"):
        # They are still there if they were meant for another process.
        environ.pop(variable, None)
    return [InheritedSocket.take(*each) for each in zip(descriptors, names, strict=False)]


def sockets_by_listener(
    sockets: Iterable[InheritedSocket], config: GatewayConfig
) -> dict[str, list[socket.socket]]:
    """
    Find out which socket belongs to which listener of the configuration.

    Its name decides, and for one without a name its port: by their order alone a socket could be
    served without TLS that should not.

    :returns: the sockets of ``http``, ``https`` and ``metrics``.
    :raises ListenError: one belongs to none of them.
    """
    listeners: dict[str, PlainListener | TLSListener | Metrics] = {
        "http": config.http,
        "https": config.https,
        "metrics": config.metrics,
    }
    ports = {each.listen.port: name for name, each in listeners.items()}
    # Where one has the port of another that is off, it is not that one's.
    ports |= {each.listen.port: name for name, each in listeners.items() if each.enabled}
    found: dict[str, list[socket.socket]] = {name: [] for name in listeners}
    for each in sockets:
        name = _owner(each, ports)
        if listeners[name].enabled:
            found[name].append(each.socket)
        else:
            log.warn("{socket} was passed for {name}, which is off", socket=each, name=name)
    return found


def _owner(candidate: InheritedSocket, ports: Mapping[int, str]) -> str:
    if not candidate.is_nameless:
        if candidate.name in _NAMES:
            return candidate.name
        reason = "must be named http, https or metrics"
    elif candidate.address.port in ports:
        return ports[candidate.address.port]
    else:
        reason = "has the port of no listener, and is not named http, https or metrics"
    raise ListenError(f"LISTEN_FDS: {candidate}: {reason}")
