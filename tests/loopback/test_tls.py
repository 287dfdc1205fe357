"""TLS on both sides of a gateway, over real sockets."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from twisted.internet import reactor, tcp
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from menderproxy.service import GatewayService, build
from menderproxy.upstream.tls import TrustRoots, VerifiedHost
from tests.certificates import dns, ip, pem_of, root
from tests.config.documents import config_with
from tests.loopback.exchange import get, status

DEVICES = "/api/devices/v1/deployments/device/deployments/next"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


class Server(Resource):
    """A Mender Server."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked = 0

    def render_GET(self, request: Request) -> bytes:
        """Answer."""
        self.asked += 1
        return b"hello"


class NeverLettingGo(Protocol):
    """A server that says it will close, and does not even answer TLS's goodbye."""

    def dataReceived(self, data: bytes) -> None:
        """Answer, and then hear nothing more."""
        assert self.transport is not None
        self.transport.write(CLOSING)
        self.transport.pauseProducing()  # type: ignore[attr-defined]


class GatewayTestCase(TestCase):
    """Has a gateway between devices and an https Mender Server."""

    def setUp(self) -> None:
        """Make the authority that everybody trusts."""
        self.authority = root()
        self.server = Server()

    def device_tls(self) -> VerifiedHost:
        """Give the TLS of a device, which is as strict as our own."""
        trust = TrustRoots([self.authority.certificate], system=False)
        return VerifiedHost("127.0.0.1", trust)

    def file(self, content: bytes) -> str:
        """Write a file; give its path."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)

    async def gateway(
        self, *names: x509.GeneralName, factory: Factory | None = None
    ) -> GatewayService:
        """Start a gateway whose Mender Server has a certificate for some names."""
        options = self.authority.issue("127.0.0.1", *names).server_options()
        endpoint = SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
        serving = Site(self.server, reactor=reactor) if factory is None else factory
        port = await endpoint.listen(serving)
        self.addCleanup(maybeDeferred, port.stopListening)
        own = self.authority.issue("gateway", ip("127.0.0.1"))
        service = build(
            config_with(
                ("HTTP.Enabled", False),
                ("HTTPS.Enabled", True),
                ("HTTPS.Listen", "127.0.0.1:0"),
                ("HTTPS.ServerCertificate", self.file(own.chain_pem)),
                ("HTTPS.ServerKey", self.file(own.key_pem)),
                ("UpstreamServer.URL", f"https://127.0.0.1:{port.getHost().port}"),
                ("UpstreamServer.CACertificate", self.file(pem_of(self.authority.certificate))),
            ),
            reactor,
        )
        service.startService()
        self.addCleanup(maybeDeferred, service.stopService)
        return service

    async def ask(self, gateway: GatewayService) -> bytes:
        """Let a device ask the gateway by TLS."""
        port = gateway.listeners[0].address.port
        return await get(reactor, "127.0.0.1", port, DEVICES, self.device_tls())


class BothSidesTests(GatewayTestCase):
    """From the device to the Mender Server."""

    async def test_through(self) -> None:
        """A request gets through, and its answer back."""
        gateway = await self.gateway(ip("127.0.0.1"))
        answer = await self.ask(gateway)
        self.assertEqual(status(answer), 200)
        self.assertTrue(answer.endswith(b"hello"))

    async def test_impostor(self) -> None:
        """A server that shows a device's certificate, of our own authority, is not asked."""
        for names in ((), (dns("other.example"),), (dns("*.*"),)):
            gateway = await self.gateway(*names)
            self.assertEqual(status(await self.ask(gateway)), 502)
        self.assertEqual(self.server.asked, 0)

    async def test_no_connection_is_left(self) -> None:
        """An upstream that announces to close, but does not let go, is let go of."""
        held: list[NeverLettingGo] = []

        class Holding(Factory):
            def buildProtocol(self, addr: object) -> Protocol:
                held.append(NeverLettingGo())
                return held[-1]

        gateway = await self.gateway(ip("127.0.0.1"), factory=Holding())
        answer = await self.ask(gateway)
        self.assertTrue(answer.endswith(b"ok"), answer)
        [protocol] = held
        assert protocol.transport is not None
        upstream = protocol.transport.getHost()
        clients = [each for each in reactor.getReaders() if isinstance(each, tcp.Client)]
        self.assertNotIn(upstream, [client.getPeer() for client in clients])
        protocol.transport.resumeProducing()  # type: ignore[attr-defined]
