"""
Through proxies as companies run them: nothing gets to the Mender Server and the store but by them.

The names of both are known to the proxy only.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SkipTest, TestCase
from twisted.web.server import Site

from menderproxy import gateway_service, parse_config
from menderproxy.demo.artifact_store import DemoArtifactStore
from menderproxy.demo.device_keys import DeviceKey
from menderproxy.demo.mender_server import DemoMenderServer
from menderproxy.demo.sessions import Sessions
from menderproxy.service import GatewayService
from menderproxy.upstream.connector import Connector, Origin
from menderproxy.upstream.proxies import ProxyRules, ProxyServer
from menderproxy.upstream.switched import Switched
from menderproxy.upstream.tls import TrustRoots
from menderproxy.upstream.upgrade import UpgradeAgent
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.store_url import StoreURL
from tests.certificates import dns, ip, pem_of, root
from tests.loopback.forward_proxies import ForwardProxy, Squid, Tinyproxy
from tests.loopback.lines import LOOPBACK, Line
from tests.loopback.test_mutual_tls import AUTH, INVENTORY, PASSWORD, USER, DeviceTLS
from tests.loopback.test_tunnel import HEAD, Server
from tests.network import Names

SERVER, STORE = "mender.test", "store.test"
GATEWAY_URL = "https://gateway.example"
SECRET = b"a secret for these tests only"
DATA = bytes(range(256)) * 4096
UPGRADE = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))


class ProxiedTestCase(TestCase):
    """
    Has a Mender Server, a store and a proxy, and a gateway for devices with certificates.

    :cvar kind: of the proxy.
    """

    # A net only: nothing here takes long unless it hangs.
    timeout = 60
    kind: type[ForwardProxy]

    async def setUp(self) -> None:  # type: ignore[override]
        """Start all but the proxy and the gateway."""
        from twisted.internet import reactor

        self.reactor: Any = reactor
        missing = await self.kind.missing(reactor)
        if missing is not None:
            raise SkipTest(missing)
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.authority = root()
        self.server = DemoMenderServer(
            link=lambda release: "", auto_accept=False, sessions=Sessions({USER: PASSWORD})
        )
        self.store = DemoArtifactStore(self.reactor)
        self.ports = {
            (name, tls): self.serve(name, resource, tls)
            for name, resource in ((SERVER, self.server), (STORE, self.store))
            for tls in (False, True)
        }
        self.proxy = self.kind((SERVER, STORE))
        self.addCleanup(self.proxy.remove)
        self._exits = AsyncExitStack()
        self.addCleanup(self._exits.aclose)

    def serve(self, name: str, resource: Any, tls: bool) -> int:
        """Serve on any port."""
        site: Any = Site(resource, reactor=self.reactor)
        if tls:
            options = self.authority.issue(name, dns(name)).server_options()
            port = self.reactor.listenSSL(0, site, options, interface=LOOPBACK)
        else:
            port = self.reactor.listenTCP(0, site, interface=LOOPBACK)
        self.addCleanup(maybeDeferred, port.stopListening)
        return int(port.getHost().port)

    async def start_proxy(self) -> None:
        """Run the proxy for as long as the test, or until it is stopped."""
        await self._exits.enter_async_context(self.proxy.running(self.reactor))

    async def stop_proxy(self) -> None:
        """End the proxy."""
        await self._exits.aclose()

    def start_gateway(
        self, *, tls: bool = True, name: str = SERVER, hold: str = "30s", **environment: str
    ) -> None:
        """
        Start the gateway.

        :param tls: whether it reaches the Mender Server by https.
        :param name: under which it does.
        :param hold: how long a device waits for the store; too short, and a slow proxy is too slow.
        :param environment: what is different from one that leads everything to the proxy.
        """
        own = self.authority.issue("gateway", ip(LOOPBACK))
        for file, content in (
            ("authority.pem", pem_of(self.authority.certificate)),
            ("gateway.pem", own.chain_pem),
            ("gateway.key", own.key_pem),
        ):
            (self.directory / file).write_bytes(content)
        scheme = "https" if tls else "http"
        upstream = f"{scheme}://{name}:{self.ports[SERVER, tls]}"
        proxies = {"HTTP_PROXY": self.proxy.url(), "HTTPS_PROXY": self.proxy.url()}
        config = parse_config(self.document(upstream, hold), {**proxies, **environment})
        self.gateway = cast(GatewayService, gateway_service(config, self.reactor))
        self.gateway.startService()
        self.addCleanup(self.stop_gateway)

    def document(self, upstream: str, hold: str) -> dict[str, object]:
        """Give the gateway's configuration."""
        authority = str(self.directory / "authority.pem")
        return {
            "Features": {
                "mTLS": {
                    "Enabled": True,
                    "CACertificate": authority,
                    "MenderUsername": USER,
                    "MenderPassword": PASSWORD,
                },
                "ArtifactsProxy": {
                    "Enabled": True,
                    "GatewayURL": GATEWAY_URL,
                    "DomainWhitelist": [STORE],
                    "ArtifactsCache": {
                        "Enabled": True,
                        "Path": str(self.directory / "cache"),
                        "SignatureSecret": b64encode(SECRET).decode(),
                        "HoldTimeout": hold,
                    },
                },
            },
            "HTTPS": {
                "Enabled": True,
                "Listen": f"{LOOPBACK}:0",
                "ServerCertificate": str(self.directory / "gateway.pem"),
                "ServerKey": str(self.directory / "gateway.key"),
            },
            "UpstreamServer": {"URL": upstream, "CACertificate": authority},
            "Limits": {"DrainTimeout": "0s"},
        }

    async def stop_gateway(self) -> None:
        """Stop the gateway."""
        if self.gateway.running:
            await maybeDeferred(self.gateway.stopService)

    async def seen_by_proxy(self) -> set[tuple[str, str]]:
        """Stop both, and give what the proxy got."""
        await self.stop_gateway()
        await self.stop_proxy()
        return self.proxy.requests()

    async def device(self) -> Line:
        """Let a device connect."""
        port = self.gateway.listeners[0].address.port
        endpoint = TCP4ClientEndpoint(self.reactor, LOOPBACK, port)
        secure = wrapClientTLS(DeviceTLS(self.authority.issue("device")), endpoint)
        line = cast(Line, await secure.connect(Factory.forProtocol(Line)))
        self.addCleanup(line.cut)
        return line

    async def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, bytes]:
        """Let a new device ask; give status and body of the answer."""
        line = await self.device()
        headers |= {"Host": "gateway.example", "Content-Length": str(len(body))}
        if body:
            headers["Content-Type"] = "application/json"
        fields = "".join(f"{name.replace('_', '-')}: {headers[name]}\r\n" for name in headers)
        line.send(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode() + body)
        head = (await line.take_head()).decode().lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0] or "0"
        return int(head.split(" ")[1]), await line.take(int(length))

    async def report(self, token: bytes = b"none") -> int:
        """Let a device send its inventory; give the status of the answer."""
        status, _ = await self.ask(
            "PUT", INVENTORY, b"[]", Authorization=f"Bearer {token.decode()}"
        )
        return status

    def link(self, *, tls: bool = True) -> str:
        """Give a path by which a device gets an artifact, which is in the store."""
        artifact = self.store.put_bytes("bucket/release", DATA)
        origin = f"{'https' if tls else 'http'}://{STORE}:{self.ports[STORE, tls]}"
        url = self.store.presign(origin, artifact.key, 3600)
        signer = LinkSigner(GATEWAY_URL, SECRET, 1800)
        return signer.sign(StoreURL.parse(url), "release", time.time()).removeprefix(GATEWAY_URL)

    def port(self, name: str, *, tls: bool = True) -> str:
        """Write one of the upstreams as the proxy does."""
        return f"{name}:{self.ports[name, tls]}"


class TinyproxyTests(ProxiedTestCase):
    """Through Tinyproxy, with a password."""

    kind: type[ForwardProxy] = Tinyproxy

    async def test_api(self) -> None:
        """A new device is let in and reports: login, preauthorization and API are tunnelled."""
        await self.start_proxy()
        self.start_gateway()
        key = DeviceKey.generate()
        body = json.dumps({"id_data": '{"mac":"02:00"}', "pubkey": key.pubkey_pem}).encode()
        status, token = await self.ask("POST", AUTH, body, X_MEN_Signature=key.sign(body))
        self.assertEqual((status, await self.report(token)), (200, 200))
        self.assertEqual([call.status for call in self.server.management_calls], [200, 201])
        self.assertEqual(await self.seen_by_proxy(), {("CONNECT", self.port(SERVER))})

    async def test_artifact(self) -> None:
        """An artifact comes through a tunnel, once for two devices."""
        await self.start_proxy()
        self.start_gateway()
        for _ in range(2):
            status, data = await self.ask("GET", self.link())
            self.assertEqual(status, 200)
            self.assertTrue(data == DATA)
        self.assertEqual(len(self.store.requests), 1)
        self.assertEqual(await self.seen_by_proxy(), {("CONNECT", self.port(STORE))})

    async def test_plain(self) -> None:
        """What is not encrypted is the proxy's to fetch, API and artifact alike."""
        await self.start_proxy()
        self.start_gateway(tls=False)
        self.assertEqual(await self.report(), 401)
        status, data = await self.ask("GET", self.link(tls=False))
        self.assertEqual(status, 200)
        self.assertTrue(data == DATA)
        self.assertEqual([request.path for request in self.server.requests], [INVENTORY])
        seen = {("PUT", self.port(SERVER, tls=False)), ("GET", self.port(STORE, tls=False))}
        self.assertEqual(await self.seen_by_proxy(), seen)

    async def test_no_password(self) -> None:
        """A proxy that is open to all works as well."""
        self.proxy.open_to_all = True
        await self.start_proxy()
        self.start_gateway()
        self.assertEqual(await self.report(), 401)
        self.assertEqual(await self.seen_by_proxy(), {("CONNECT", self.port(SERVER))})

    async def test_certificate(self) -> None:
        """Who answers at the far end of a tunnel has to prove who it is."""
        await self.start_proxy()
        # The store's name, at the server's port.
        self.start_gateway(name=STORE)
        self.assertEqual(await self.report(), 502)
        self.assertEqual(self.server.requests, [])

    async def test_terminal(self) -> None:
        """WebSocket is tunnelled to servers with and without TLS, and bytes go both ways."""
        await self.start_proxy()
        proxy = ProxyServer.parse(self.proxy.url())
        trust = TrustRoots([self.authority.certificate], system=False)
        rules = ProxyRules(http=proxy, https=proxy)
        agent = UpgradeAgent(self.reactor, Connector(self.reactor, trust=trust, proxies=rules))
        self.addCleanup(agent.close)
        options = self.authority.issue(SERVER, dns(SERVER)).server_options()
        for scheme in ("http", "https"):
            server = Server(self.reactor, options if scheme == "https" else None)
            await server.start()
            self.addCleanup(server.stop)
            server.accept().addCallback(lambda line: line.send(HEAD + b"hello"))
            headers = [(b"Host", SERVER.encode()), *UPGRADE]
            switched = await agent.upgrade(Origin(scheme, SERVER, server.port), b"/", headers)
            assert isinstance(switched, Switched)
            switched.write(b"and back")
            await server.lines[0].until_seen(b"and back")
            switched.close()

    async def test_exempted(self) -> None:
        """What NO_PROXY names is reached directly; the rest is not."""
        await self.start_proxy()
        names: Any = Names({SERVER: (LOOPBACK,)})
        self.addCleanup(self.reactor.installNameResolver, self.reactor.installNameResolver(names))
        self.start_gateway(NO_PROXY=f"other.test .{SERVER},{SERVER}:{self.ports[SERVER, True]}")
        self.assertEqual(await self.report(), 401)
        self.assertEqual((await self.ask("GET", self.link()))[0], 200)
        self.assertEqual(len(self.server.requests), 1)
        self.assertEqual(await self.seen_by_proxy(), {("CONNECT", self.port(STORE))})

    async def test_wrong_password(self) -> None:
        """The log tells that the proxy wants another password; devices may try again."""
        await self.start_proxy()
        url = self.proxy.url("wr0ng")
        with capturedLogs() as events:
            for tls in (False, True):
                self.start_gateway(tls=tls, hold="100ms", HTTP_PROXY=url, HTTPS_PROXY=url)
                self.assertEqual(await self.report(), 502)
                # Any status would be the end of the deployment.
                line = await self.device()
                line.send(b"GET %b HTTP/1.1\r\nHost: g\r\n\r\n" % self.link(tls=tls).encode())
                await line.until_lost()
                self.assertEqual(line.count, 0)
                await self.stop_gateway()
        lines = [str(formatEvent(event)) for event in events]
        for name, tls in self.ports:
            told = [line for line in lines if self.port(name, tls=tls) in line]
            self.assertTrue(told, (name, tls))
            self.assertRegex(told[0], f"the proxy {self.proxy.authority} .*40[17]")
        self.assertEqual([line for line in lines if "wr0ng" in line], [])
        self.assertEqual((self.server.requests, self.store.requests), ([], []))

    async def test_down(self) -> None:
        """Without its proxy the gateway is of no use, and it is again as soon as that is back."""
        self.start_gateway()
        self.assertEqual(await self.report(), 502)
        for _ in range(2):
            await self.start_proxy()
            self.assertEqual(await self.report(), 401)
            await self.stop_proxy()
            self.assertEqual(await self.report(), 502)


class SquidTests(TinyproxyTests):
    """Through Squid, likewise."""

    kind = Squid
