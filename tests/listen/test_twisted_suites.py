"""Twisted's own tests of ports and connections, run against ours."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IListeningPort
from twisted.internet.ssl import CertificateOptions
from twisted.internet.test import test_tcp, test_tls
from twisted.internet.test.reactormixins import ReactorBuilder

from menderproxy.listen.tls import ServerTLS
from menderproxy.listen.transport import Ports, SecurePorts
from menderproxy.transport.secure import PARTIAL_WRITE

# Two kinds of waiting for sockets; the others are built on these.
_REACTORS = [
    "twisted.internet.epollreactor.EPollReactor",
    "twisted.internet.selectreactor.SelectReactor",
]


def secure_ports(options: CertificateOptions) -> SecurePorts:
    """Give ports with the options of one of Twisted's own tests."""
    options.getContext().clear_mode(PARTIAL_WRITE)
    return SecurePorts(ServerTLS(options))


class _OurPorts(ReactorBuilder):
    """Reactors that open our ports whatever port they are asked for."""

    _reactors = _REACTORS

    def buildReactor(self) -> Any:
        """Make a reactor."""
        reactor: Any = super().buildReactor()  # type: ignore[no-untyped-call]

        def listen_tcp(
            port: int, factory: Any, backlog: int = 50, interface: str = ""
        ) -> IListeningPort:
            return Ports().listen(reactor, factory, interface=interface, port=port, backlog=backlog)

        def adopt(fd: int, family: int, factory: Any) -> IListeningPort:
            with socket.fromfd(fd, family, socket.SOCK_STREAM) as listening:
                return Ports().adopt(reactor, factory, listening)

        def listen_ssl(
            port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
        ) -> IListeningPort:
            return secure_ports(contextFactory).listen(
                reactor, factory, interface=interface, port=port, backlog=backlog
            )

        reactor.listenTCP = listen_tcp
        reactor.adoptStreamPort = adopt
        reactor.listenSSL = listen_ssl
        return reactor


class PlainPortTests(_OurPorts, test_tcp.TCPPortTestsBuilder):
    """A port."""


class AdoptedPortTests(_OurPorts, test_tcp.TCPFDPortTestsBuilder):
    """A socket that listened before."""


class PlainConnectionTests(_OurPorts, test_tcp.TCPConnectionTestsBuilder):
    """Reading and its pauses."""


class PlainTransportTests(_OurPorts, test_tcp.TCPTransportTestsBuilder):
    """Addresses, sequences and producers."""


class PlainClientTests(_OurPorts, test_tcp.TCP4ClientTestsBuilder):
    """What Twisted's clients find at the other end."""


class PlainAbortTests(_OurPorts, test_tcp.AbortConnectionTests):
    """Cutting a connection at all kinds of moments."""


class SecurePortTests(_OurPorts, test_tls.TLSPortTestsBuilder):
    """A port for TLS."""

    def getExpectedStartListeningLogMessage(self, port: Any, factory: Any) -> str:
        """Ours has no factory for TLS to be named."""
        return f"{factory} starting on {port.getHost().port}"

    def getExpectedConnectionLostLogMsg(self, port: Any) -> str:
        """Likewise."""
        return f"(TCP Port {port.getHost().port} Closed)"


class SecureClientTests(_OurPorts, test_tls.SSLClientTestsMixin):
    """What Twisted's TLS clients find at the other end."""


class SecureAbortTests(_OurPorts, test_tls.AbortSSLConnectionTests):
    """Cutting a TLS connection at all kinds of moments."""


for _suite in (
    PlainPortTests,
    AdoptedPortTests,
    PlainConnectionTests,
    PlainTransportTests,
    PlainClientTests,
    PlainAbortTests,
    SecurePortTests,
    SecureClientTests,
    SecureAbortTests,
):
    globals().update(_suite.makeTestCaseClasses())
# Only those made for a reactor are tests.
del _suite, _OurPorts
