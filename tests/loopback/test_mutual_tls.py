"""Devices with certificates, a gateway, and a Mender Server: over real sockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import attrs
from OpenSSL import SSL, crypto
from twisted.internet.defer import gatherResults, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import TestCase
from twisted.web.server import Site
from zope.interface import implementer

from menderproxy import gateway_service, parse_config
from menderproxy.demo.device_keys import DeviceKey
from menderproxy.demo.management import Permission
from menderproxy.demo.mender_server import DemoMenderServer
from menderproxy.demo.sessions import Sessions
from menderproxy.service import GatewayService
from tests.certificates import Identity, ip, pem_of, root
from tests.loopback.lines import LOOPBACK, Line

AUTH = "/api/devices/v1/authentication/auth_requests"
INVENTORY = "/api/devices/v1/inventory/device/attributes"
USER, PASSWORD = "gateway@example.com", "correct horse battery staple"


@implementer(IOpenSSLClientConnectionCreator)
@attrs.frozen
class DeviceTLS:
    """The TLS of a device that shows a certificate, if it has one, and takes any."""

    identity: Identity | None

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make a connection."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if self.identity is not None:
            context.use_certificate(crypto.X509.from_cryptography(self.identity.certificate))
            context.use_privatekey(
                crypto.PKey.from_cryptography_key(self.identity.key)  # type: ignore[arg-type]
            )
        return SSL.Connection(context, None)


class GatewayTestCase(TestCase):
    """
    Has a Mender Server that accepts nobody by itself, and a gateway with mutual TLS.

    :cvar metrics: whether the gateway shows them.
    """

    # A net only: nothing here takes long unless it hangs.
    timeout = 60
    metrics = False

    async def setUp(self) -> None:  # type: ignore[override]
        """Start both."""
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.authority = root("device authority")
        self.server = DemoMenderServer(
            link=lambda release: "", auto_accept=False, sessions=Sessions({USER: PASSWORD})
        )
        site: Any = Site(self.server, reactor=self.reactor)
        port: Any = self.reactor.listenTCP(0, site, interface=LOOPBACK)
        self.addCleanup(maybeDeferred, port.stopListening)
        self.own = root("gateway authority")
        self.show(self.own.issue("gateway", ip(LOOPBACK)))
        self.file("devices.pem", pem_of(self.authority.certificate))
        self.file("blacklist", b"")
        self.gateway = self.start(f"http://{LOOPBACK}:{port.getHost().port}")

    def start(self, upstream: str) -> GatewayService:
        """Start the gateway."""
        document = {
            "Features": {
                "mTLS": {
                    "Enabled": True,
                    "CACertificate": str(self.directory / "devices.pem"),
                    "BlacklistPath": str(self.directory / "blacklist"),
                    "MenderUsername": USER,
                    "MenderPassword": PASSWORD,
                    "BindTokens": True,
                }
            },
            "HTTP": {"Enabled": True, "Listen": f"{LOOPBACK}:0"},
            "HTTPS": {
                "Enabled": True,
                "Listen": f"{LOOPBACK}:0",
                "ServerCertificate": str(self.directory / "gateway.pem"),
                "ServerKey": str(self.directory / "gateway.key"),
            },
            "Metrics": {"Enabled": self.metrics, "Listen": f"{LOOPBACK}:0"},
            "UpstreamServer": {"URL": upstream},
            "Limits": {"DrainTimeout": "0s"},
        }
        gateway = cast(GatewayService, gateway_service(parse_config(document), self.reactor))
        gateway.startService()
        self.addCleanup(maybeDeferred, gateway.stopService)
        return gateway

    def file(self, name: str, content: bytes) -> None:
        """Write one of the gateway's files, as a careful program does."""
        (self.directory / f"{name}.new").write_bytes(content)
        (self.directory / f"{name}.new").rename(self.directory / name)

    def show(self, identity: Identity) -> None:
        """Give the gateway a certificate to show."""
        self.file("gateway.key", identity.key_pem)
        self.file("gateway.pem", identity.chain_pem)

    async def connect(self, identity: Identity | None) -> Line:
        """Let a device connect."""
        port = self.gateway.listeners[1].address.port
        endpoint = TCP4ClientEndpoint(self.reactor, LOOPBACK, port)
        secure = wrapClientTLS(DeviceTLS(identity), endpoint)
        line = cast(Line, await secure.connect(Factory.forProtocol(Line)))
        self.addCleanup(line.cut)
        return line

    async def ask(
        self, line: Line, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, bytes]:
        """Put a request; give status and body of the answer."""
        headers |= {"Host": "gateway.example", "Content-Length": str(len(body))}
        if body:
            headers["Content-Type"] = "application/json"
        fields = "".join(f"{name.replace('_', '-')}: {headers[name]}\r\n" for name in headers)
        line.send(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode() + body)
        head = (await line.take_head()).decode().lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0] or "0"
        return int(head.split(" ")[1]), await line.take(int(length))

    async def log_in(self, line: Line, mac: str, key: DeviceKey) -> tuple[int, bytes]:
        """Let a device ask for a token."""
        body = self.auth_body(mac, key)
        return await self.ask(line, "POST", AUTH, body, X_MEN_Signature=key.sign(body))

    def auth_body(self, mac: str, key: DeviceKey) -> bytes:
        """Write what a device asks for a token with."""
        fields = {"id_data": json.dumps({"mac": mac}), "pubkey": key.pubkey_pem}
        return json.dumps(fields).encode() + b"\n"

    async def report(self, line: Line, token: bytes) -> int:
        """Let a device send its inventory; give the status of the answer."""
        authorization = f"Bearer {token.decode()}"
        status, _ = await self.ask(line, "PUT", INVENTORY, b"[]", Authorization=authorization)
        return status


class ProvisioningTests(GatewayTestCase):
    """A good certificate is all that a device needs."""

    def calls(self) -> list[tuple[str, int]]:
        """Give the last parts of the paths of all management calls, and their answers."""
        calls = self.server.management_calls
        return [(call.path.rpartition("/")[2], call.status) for call in calls]

    async def test_new(self) -> None:
        """A device that nobody has seen before gets a token at once, and can use it."""
        line = await self.connect(self.authority.issue("device"))
        status, token = await self.log_in(line, "02:00", DeviceKey.generate())
        self.assertEqual(status, 200)
        self.assertEqual(await self.report(line, token), 200)
        self.assertEqual(self.calls(), [("login", 200), ("devices", 201)])

    async def test_again(self) -> None:
        """The next time nobody is asked."""
        line, key = await self.connect(self.authority.issue("device")), DeviceKey.generate()
        for _ in range(3):
            self.assertEqual((await self.log_in(line, "02:00", key))[0], 200)
        self.assertEqual(len(self.calls()), 2)

    async def test_fleet(self) -> None:
        """A fleet that is switched on at once costs one call a device and one login."""
        lines = [await self.connect(self.authority.issue("device")) for _ in range(20)]
        keys = [DeviceKey.generate() for _ in lines]
        for expected in (21, 21):
            logins = [
                maybeDeferred(self.log_in, line, f"02:{number}", key)
                for number, (line, key) in enumerate(zip(lines, keys, strict=True))
            ]
            for status, _ in await gatherResults(logins):
                self.assertEqual(status, 200)
            self.assertEqual(len(self.calls()), expected)

    async def test_rotated(self) -> None:
        """A device with a new key and a new certificate is let in again, and its old key out."""
        old, new = DeviceKey.generate(), DeviceKey.generate()
        line = await self.connect(self.authority.issue("device"))
        _, old_token = await self.log_in(line, "02:00", old)
        line = await self.connect(self.authority.issue("device"))
        status, token = await self.log_in(line, "02:00", new)
        self.assertEqual((status, await self.report(line, token)), (200, 200))
        self.assertEqual(await self.report(line, old_token), 401)

    async def test_pending(self) -> None:
        """A device that has been waiting for a human need not wait any longer."""
        key = DeviceKey.generate()
        self.server.fleet.meet('{"mac":"02:00"}').auth_sets.meet(key.pubkey_pem, 0)
        line = await self.connect(self.authority.issue("device"))
        self.assertEqual((await self.log_in(line, "02:00", key))[0], 200)

    async def test_permissions(self) -> None:
        """A service user who may only preauthorize lets in new devices, and no others."""
        self.server.management.permissions = frozenset({Permission.PREAUTHORIZE})
        old, new = DeviceKey.generate(), DeviceKey.generate()
        line = await self.connect(self.authority.issue("device"))
        self.assertEqual((await self.log_in(line, "02:00", old))[0], 200)
        self.assertEqual((await self.log_in(line, "02:00", new))[0], 401)

    async def test_rejected(self) -> None:
        """A human's rejection stands, on this poll and on every later one."""
        key = DeviceKey.generate()
        line = await self.connect(self.authority.issue("device"))
        await self.log_in(line, "02:00", key)
        self.server.reject(next(iter(self.server.devices)))
        for _ in range(4):
            self.assertEqual((await self.log_in(line, "02:00", key))[0], 401)
        (device,) = self.server.devices.values()
        self.assertEqual(device.status, "rejected")

    async def test_stolen_token(self) -> None:
        """A token is no good with another certificate."""
        line = await self.connect(self.authority.issue("device"))
        _, token = await self.log_in(line, "02:00", DeviceKey.generate())
        thief = await self.connect(self.authority.issue("thief"))
        self.assertEqual(await self.report(thief, token), 401)
        self.assertEqual(await self.report(line, token), 200)


class RefusedTests(GatewayTestCase):
    """Who gets no further than the handshake."""

    async def test_nothing_goes_on(self) -> None:
        """Without a certificate of the authority, the server hears not one request."""
        for identity in (None, root("device authority").issue("device"), self.authority):
            line = await self.connect(identity)
            line.send(b"GET /api/devices/v1/x HTTP/1.1\r\nHost: gateway.example\r\n\r\n")
            await line.until_lost()
            self.assertEqual(line.received, b"")
        self.assertEqual(self.server.requests, [])


class ReloadTests(GatewayTestCase):
    """Files change while devices are connected."""

    async def test_revoked(self) -> None:
        """A device is cut soon after its serial number is in the blacklist; others are not."""
        bad, good = self.authority.issue("bad"), self.authority.issue("good")
        revoked, other = await self.connect(bad), await self.connect(good)
        for line in (revoked, other):
            self.assertEqual((await self.ask(line, "GET", "/"))[0], 404)
        self.file("blacklist", b"%x\n" % bad.certificate.serial_number)
        await revoked.until_lost()
        self.assertEqual((await self.ask(other, "GET", "/"))[0], 404)
        again = await self.connect(bad)
        await again.until_lost()

    async def test_revoked_at_once(self) -> None:
        """As soon as the files are read, that is, and not at the next look at who is there."""
        bad, good = self.authority.issue("bad"), self.authority.issue("good")
        revoked, other = await self.connect(bad), await self.connect(good)
        self.assertEqual((await self.ask(revoked, "GET", "/"))[0], 404)
        self.file("blacklist", b"%x\n" % bad.certificate.serial_number)
        await self.gateway.reload()
        self.assertEqual((await self.ask(other, "GET", "/"))[0], 404)
        self.assertTrue(revoked.was_cut)

    async def test_server_certificate(self) -> None:
        """A new certificate is shown to new connections; those that are open live on."""
        device = self.authority.issue("device")
        line = await self.connect(device)
        self.assertEqual((await self.ask(line, "GET", "/"))[0], 404)
        renewed = self.own.issue("renewed", ip(LOOPBACK))
        self.show(renewed)
        await self.gateway.reload()
        other = await self.connect(device)
        for each in (line, other):
            self.assertEqual((await self.ask(each, "GET", "/"))[0], 404)
        shown = other.wire.getHandle().get_peer_certificate(as_cryptography=True)
        self.assertEqual(shown, renewed.certificate)

    async def test_two_authorities(self) -> None:
        """Devices move from one authority to the next while both are trusted."""
        successor = root("successor")
        line = await self.connect(self.authority.issue("device"))
        self.assertEqual((await self.ask(line, "GET", "/"))[0], 404)
        both = pem_of(self.authority.certificate) + pem_of(successor.certificate)
        self.file("devices.pem", both)
        await self.gateway.reload()
        for device in (self.authority.issue("old"), successor.issue("new")):
            self.assertEqual((await self.ask(await self.connect(device), "GET", "/"))[0], 404)
        self.assertEqual((await self.ask(line, "GET", "/"))[0], 404)
        self.file("devices.pem", pem_of(successor.certificate))
        await self.gateway.reload()
        # Whom the old one vouched for is cut, and doesn't come in again.
        await line.until_lost()
        late = await self.connect(self.authority.issue("old"))
        await late.until_lost()
