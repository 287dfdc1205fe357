"""A gateway starts and stops in order, and serves in between."""

from __future__ import annotations

import socket
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web import http
from zope.interface import implementer

from menderproxy.cache.errors import CacheDirectoryError
from menderproxy.config.load import ConfigError
from menderproxy.listen.endpoints import ListenError
from menderproxy.listen.identity import CertificateError
from menderproxy.service import START_ERRORS, World, build
from tests.handshake import End, talk
from tests.service_testcase import ALIVE, OK, POLL, PORT, READY, SECURE_PORT, ServiceTestCase


@implementer(IOpenSSLClientConnectionCreator)
class Browser:
    """A client that takes any certificate and likes HTTP/2 best."""

    def __init__(self) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_alpn_protos([b"h2", b"http/1.1"])
        self.connection = SSL.Connection(context, None)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Give the one connection."""
        return self.connection


class ServingTests(ServiceTestCase):
    """What a gateway answers."""

    def test_probes(self) -> None:
        """It is alive and ready."""
        self.started()
        self.assertEqual(self.status(ALIVE), 204)
        self.assertEqual(self.status(READY), 204)

    def test_not_ready(self) -> None:
        """With its ports open but not started it is alive only."""
        self.gateway().privilegedStartService()
        self.assertEqual(self.status(ALIVE), 204)
        self.assertEqual(self.status(READY), 503)

    def test_forwarded(self) -> None:
        """Every route of devices leads to the Mender Server."""
        self.started()
        for path in (
            "/api/devices/v1/authentication/auth_requests",
            "/api/devices/v1/inventory/device/attributes",
            "/api/devices/v1/deviceconnect/connect",
            POLL,
            "/api/devices/v1/deployments/device/deployments/d1/status",
            "/api/devices/v1/deployments/device/deployments/d1/log",
            "/api/devices/v1/deployments/artifacts/a1/download",
            "/api/devices/v1/deployments/download/configuration/d1/t1/d1",
            "/api/devices/v9/something/new",
        ):
            device = self.ask(path)
            upstream = self.network.accept()
            self.assertEqual(upstream.received().split(b" ")[1].decode(), path)
            upstream.send(OK)
            self.network.advance(0)
            self.assertTrue(device.received().startswith(b"HTTP/1.1 200 "), path)
            upstream.hang_up()

    def test_not_forwarded(self) -> None:
        """No other path does."""
        self.started()
        for path in (
            "/",
            "/api/management/v1/devauth/devices",
            "/api/internal/v1/devauth/tenants",
            "/artifacts/a/b",
            "/ui/",
        ):
            self.assertEqual(self.status(path), 404, path)
        self.assertEqual(self.network.dialled, [])

    def test_links_are_rewritten(self) -> None:
        """With the artifacts proxy devices get links to the gateway, without it the store's."""
        link = b"http://store.example/artifact?signature=1"
        body = b'{"artifact":{"artifact_name":"a","source":{"uri":"' + link + b'"}}}'
        proxy: tuple[tuple[str, object], ...] = (
            ("Features.ArtifactsProxy.Enabled", True),
            ("Features.ArtifactsProxy.GatewayURL", "https://gateway.example"),
            ("Features.ArtifactsProxy.DomainWhitelist", ["store.example"]),
        )
        for settings, expected in (((), link), (proxy, b"https://gateway.example/artifacts/")):
            service = self.started(*settings)
            device = self.ask(POLL)
            upstream = self.network.accept()
            upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            self.network.advance(0)
            self.assertIn(b'"uri":"' + expected, device.received().replace(b'": "', b'":"'))
            self.stop(service)

    def test_protocols(self) -> None:
        """The TLS listener chooses HTTP/1.1, and never the HTTP/2 that a client would prefer."""
        # As if the packages that Twisted needs for it were installed.
        self.patch(http, "H2_ENABLED", True)
        # Not started: then it would look at its files in a thread, which nobody would end.
        self.gateway(*self.secure()).privilegedStartService()
        client = Browser()
        talk(client, End(), self.network.open[SECURE_PORT], self.network)
        self.assertEqual(client.connection.get_alpn_proto_negotiated(), b"http/1.1")


class StartTests(ServiceTestCase):
    """What has to be right before anybody is served."""

    def test_ports(self) -> None:
        """The enabled listeners are opened as long as there may be a privilege for it."""
        self.gateway(*self.secure()).privilegedStartService()
        self.assertEqual(set(self.network.open), {PORT, SECURE_PORT})

    def test_embedded(self) -> None:
        """Without a privileged start they are opened at the start."""
        self.gateway().startService()
        self.assertEqual(set(self.network.open), {PORT})

    def test_inherited(self) -> None:
        """A listener whose socket was passed to us opens no port."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        world = World(sockets={"https": [listening]})
        build(self.config(*self.secure()), self.network, world).privilegedStartService()
        self.assertEqual(set(self.network.open), {PORT})
        self.assertEqual([port[0] for port in self.network.adoptedPorts], [listening.fileno()])

    def test_one_busy_port(self) -> None:
        """When one port can't be opened none is."""
        for start in ("privilegedStartService", "startService"):
            self.network.busy.add(SECURE_PORT)
            service = self.gateway(*self.secure())
            error = self.assertRaises(ListenError, getattr(service, start))
            self.assertEqual(str(error), f"HTTPS.Listen: :{SECURE_PORT}: Address already in use")
            self.assertEqual(self.network.open, {})

    def test_cache_directory(self) -> None:
        """When the cache's directory can't be used no port stays open."""
        blocked = self.mktemp()
        Path(blocked).touch()
        config = self.config(
            ("Features.ArtifactsProxy.Enabled", True),
            ("Features.ArtifactsProxy.GatewayURL", "https://gateway.example"),
            ("Features.ArtifactsProxy.ArtifactsCache.Enabled", True),
            ("Features.ArtifactsProxy.ArtifactsCache.Path", blocked),
            ("Features.ArtifactsProxy.ArtifactsCache.SignatureSecret", "c2VjcmV0" * 4),
        )
        service = build(config, self.network)
        self.assertIn(blocked, str(self.assertRaises(CacheDirectoryError, service.startService)))
        self.assertEqual(self.network.open, {})

    def test_log(self) -> None:
        """The log has the version, what is odd in the configuration, and a line at the end."""
        with capturedLogs() as events:
            self.started(("UnknownKey", True))
        lines = [formatEvent(event) for event in events]
        self.assertTrue(lines[-1] == "running...", lines)
        self.assertTrue(any("UnknownKey" in line for line in lines), lines)
        self.assertTrue(any(line.startswith("starting mender-gateway ") for line in lines))

    def test_slow_key(self) -> None:
        """An RSA key, with which each connection costs more, is worth a warning."""
        for key, warned in ((rsa.generate_private_key(65537, 2048), True), (None, False)):
            with capturedLogs() as events:
                self.gateway(*self.secure(key))
            lines = [formatEvent(event) for event in events]
            self.assertEqual(any("P-256" in line for line in lines), warned, lines)


class RefusedTests(ServiceTestCase):
    """Configurations that no gateway can be made of."""

    def refusal(self, kind: type[Exception], *settings: tuple[str, object]) -> str:
        """Give the line that says why there is no gateway."""
        self.assertIn(kind, START_ERRORS)
        return str(self.assertRaises(kind, self.gateway, *settings))

    def test_authority(self) -> None:
        """Without the authority of the devices' certificates nobody could be let in."""
        settings = [
            *self.secure(),
            ("Features.mTLS.Enabled", True),
            ("Features.mTLS.CACertificate", "/nowhere.pem"),
        ]
        line = self.refusal(CertificateError, *settings)
        self.assertEqual(
            line, "Features.mTLS.CACertificate: /nowhere.pem: No such file or directory"
        )

    def test_server_certificate(self) -> None:
        """The certificate is read before anything is opened."""
        settings = self.secure()[:-1]
        line = self.refusal(CertificateError, *settings, ("HTTPS.ServerKey", "/nowhere.pem"))
        self.assertEqual(line, "HTTPS.ServerKey: /nowhere.pem: No such file or directory")

    def test_upstream_certificate(self) -> None:
        """So are the authorities to trust."""
        line = self.refusal(ConfigError, ("UpstreamServer.CACertificate", "/nowhere.pem"))
        self.assertEqual(
            line, "UpstreamServer.CACertificate: /nowhere.pem: No such file or directory"
        )
