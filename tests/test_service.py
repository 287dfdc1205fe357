"""A gateway starts and stops in order, and serves in between."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import attrs
from OpenSSL import SSL
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import http
from zope.interface import implementer

from menderproxy.cache.errors import CacheDirectoryError
from menderproxy.config.load import ConfigError
from menderproxy.config.model import GatewayConfig
from menderproxy.listen.endpoints import ListenError
from menderproxy.listen.tls import CertificateError
from menderproxy.service import START_ERRORS, GatewayService, build
from tests.certificates import dns, root
from tests.config.documents import config_with
from tests.handshake import End, talk
from tests.network import Line, Network

PORT, SECURE_PORT = 8080, 8443
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POLL = "/api/devices/v1/deployments/device/deployments/next"


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


class ServiceTestCase(SynchronousTestCase):
    """Has gateways on a network in memory."""

    def setUp(self) -> None:
        """Make the network."""
        self.network = Network()

    def config(self, *settings: tuple[str, object]) -> GatewayConfig:
        """Make a configuration with a plain listener."""
        return config_with(
            ("HTTP.Listen", f":{PORT}"), ("UpstreamServer.URL", "http://mender.example"), *settings
        )

    def secure(self) -> list[tuple[str, object]]:
        """Give the settings for a TLS listener."""
        server = root().issue("gateway", dns("gateway.example"))
        certificate, key = Path(self.mktemp()), Path(self.mktemp())
        certificate.write_bytes(server.chain_pem)
        key.write_bytes(server.key_pem)
        return [
            ("HTTPS.Enabled", True),
            ("HTTPS.Listen", f":{SECURE_PORT}"),
            ("HTTPS.ServerCertificate", str(certificate)),
            ("HTTPS.ServerKey", str(key)),
        ]

    def gateway(self, *settings: tuple[str, object]) -> GatewayService:
        """Make a gateway."""
        return cast(GatewayService, build(self.config(*settings), self.network))

    def started(self, *settings: tuple[str, object]) -> GatewayService:
        """Make a gateway and start it."""
        service = self.gateway(*settings)
        service.privilegedStartService()
        service.startService()
        return service

    def stop(self, service: GatewayService) -> Deferred[None]:
        """Begin to stop a gateway, and let happen what is due."""
        stopping = service.stopService()
        self.network.advance(0)
        return stopping

    def ask(self, path: str, line: Line | None = None) -> Line:
        """Send a GET request, by default on a connection of its own."""
        line = self.network.call(PORT) if line is None else line
        line.send(f"GET {path} HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode())
        self.network.advance(0)
        return line

    def status(self, path: str) -> int:
        """Give the status of the answer to a GET request."""
        return int(self.ask(path).received().split(b" ")[1])


class ServingTests(ServiceTestCase):
    """What a gateway answers."""

    def test_probes(self) -> None:
        """It is alive and ready."""
        self.started()
        self.assertEqual(self.status("/api/internal/v1/gateway/alive"), 204)
        self.assertEqual(self.status("/api/internal/v1/gateway/ready"), 204)

    def test_not_ready(self) -> None:
        """With its ports open but not started it is alive only."""
        self.gateway().privilegedStartService()
        self.assertEqual(self.status("/api/internal/v1/gateway/alive"), 204)
        self.assertEqual(self.status("/api/internal/v1/gateway/ready"), 503)

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
        self.started(*self.secure())
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


class RefusedTests(ServiceTestCase):
    """Configurations that no gateway can be made of."""

    def refusal(self, kind: type[Exception], *settings: tuple[str, object]) -> str:
        """Give the line that says why there is no gateway."""
        self.assertIn(kind, START_ERRORS)
        return str(self.assertRaises(kind, self.gateway, *settings))

    def test_mutual_tls(self) -> None:
        """A gateway that can't check devices' certificates does not let everybody in."""
        config = self.config()
        mtls = attrs.evolve(config.features.mtls, enabled=True)
        features = attrs.evolve(config.features, mtls=mtls)
        error = self.assertRaises(
            ConfigError, build, attrs.evolve(config, features=features), self.network
        )
        self.assertIn("Features.mTLS.Enabled", str(error))

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


class StopTests(ServiceTestCase):
    """Nobody is cut off who is done in time."""

    def test_idle(self) -> None:
        """Without a request in progress it stops at once, and idle devices are told."""
        service = self.started()
        idle = self.ask("/")
        self.successResultOf(self.stop(service))
        self.assertEqual(self.network.open, {})
        self.assertTrue(idle.disconnecting)
        self.assertFalse(idle.aborted)

    def test_drained(self) -> None:
        """A request in progress is finished first; new connections are refused meanwhile."""
        service = self.started()
        device = self.ask(POLL)
        upstream = self.network.accept()
        stopping = self.stop(service)
        self.assertNoResult(stopping)
        self.assertEqual(self.network.open, {})
        upstream.send(OK)
        self.network.advance(0)
        head = device.received()
        self.assertTrue(head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"ok"))
        self.network.advance(0)
        self.successResultOf(stopping)

    def test_limit(self) -> None:
        """A request that takes longer than ``DrainTimeout`` is cut off."""
        service = self.started(("Limits.DrainTimeout", "5s"))
        device = self.ask(POLL)
        stopping = self.stop(service)
        self.network.advance(4)
        self.assertNoResult(stopping)
        self.network.advance(1)
        self.network.advance(0)
        self.assertTrue(device.aborted)
        self.successResultOf(stopping)

    def test_upstream_connections(self) -> None:
        """Connections to the Mender Server end with the gateway; no timer is left."""
        service = self.started()
        device = self.ask(POLL)
        upstream = self.network.accept()
        upstream.send(OK)
        self.network.advance(0)
        device.hang_up()
        self.assertTrue(upstream.connected)
        self.successResultOf(self.stop(service))
        self.assertFalse(upstream.connected)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_again(self) -> None:
        """A gateway that was stopped can be started again, and stopped again."""
        service = self.started()
        self.successResultOf(self.stop(service))
        service.startService()
        self.assertEqual(self.status("/api/internal/v1/gateway/ready"), 204)
        self.assertFalse(b"close" in self.ask("/").received())
        self.successResultOf(self.stop(service))

    def test_never_started(self) -> None:
        """A gateway that was never started can be stopped, and started later."""
        service = self.gateway()
        self.successResultOf(self.stop(service))
        service.startService()
        self.assertEqual(self.status("/api/internal/v1/gateway/ready"), 204)

    def test_within_another_application(self) -> None:
        """As a part of another service it starts and stops with it."""
        application = MultiService()
        self.gateway().setServiceParent(application)  # type: ignore[no-untyped-call]
        application.privilegedStartService()
        application.startService()
        self.assertEqual(self.status("/api/internal/v1/gateway/alive"), 204)
        stopping = application.stopService()
        self.network.advance(0)
        self.successResultOf(stopping)


class UnsupportedTests(ServiceTestCase):
    """What the official gateway can do and this version can't is said, not passed over."""

    def test_told(self) -> None:
        """A feature that is switched on without effect is named in the log."""
        wanted = self.config(("Metrics.Enabled", True), ("Features.DeviceSystem.Enabled", True))
        with capturedLogs() as events:
            build(wanted, self.network)
        lines = [formatEvent(event) for event in events]
        for key in ("Metrics.Enabled", "Features.DeviceSystem.Enabled"):
            self.assertIn(f"{key}: True: has no effect in this version", lines)
