"""What the gateway must know, nobody finds in what it writes, shows or answers."""

from __future__ import annotations

import json
from base64 import b64encode
from io import StringIO
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.logger import globalLogPublisher

from menderproxy.cache.artifacts import ArtifactCache
from menderproxy.demo.device_keys import DeviceKey
from menderproxy.demo.faults import Cut, Refuse
from menderproxy.ops.logs import observer
from menderproxy.upstream.preauthorization import Preauthorization
from menderproxy.wire.links import LinkSigner
from tests.loopback.command import CONSOLE, CommandTestCase
from tests.loopback.exchange import get, status
from tests.loopback.forward_proxies import USER as PROXY_USER
from tests.loopback.forward_proxies import ForwardProxy, Tinyproxy
from tests.loopback.lines import LOOPBACK
from tests.loopback.test_mutual_tls import AUTH, PASSWORD, USER
from tests.loopback.test_real_proxies import DATA, GATEWAY_URL, SECRET, ProxiedTestCase
from tests.loopback.test_systemd import Notifications

WRONG = "wr0ng:p@ssword"


def basic(user: str, password: str) -> set[str]:
    """Give a password as configurations, URLs and headers write it."""
    pair = b64encode(f"{user}:{password}".encode()).decode()
    return {password, quote(password, safe=""), pair}


def key_lines(path: Path) -> set[str]:
    """Give the lines of a private key that tell something of it."""
    return {line for line in path.read_text().splitlines() if "-----" not in line} | {"PRIVATE KEY"}


class Broken(Exception):
    """Something that nobody has thought of."""


class SecrecyTests(ProxiedTestCase):
    """All that can be read of a gateway at log level debug, in good days and in bad ones."""

    kind: type[ForwardProxy] = Tinyproxy

    async def setUp(self) -> None:  # type: ignore[override]
        """Keep the log in both forms, and all that devices are answered."""
        await super().setUp()
        self.written: dict[str, str] = {}
        self.links: list[str] = []
        self.signatures: set[str] = set()
        self.keys = count()
        self.logs = {form: StringIO() for form in ("text", "json")}
        for form, stream in self.logs.items():
            observe = observer("debug", stream, form)
            globalLogPublisher.addObserver(observe)
            self.addCleanup(globalLogPublisher.removeObserver, observe)

    def document(self, upstream: str, hold: str) -> dict[str, object]:
        """Show metrics too."""
        document = super().document(upstream, hold)
        return {**document, "Metrics": {"Enabled": True, "Listen": f"{LOOPBACK}:0"}}

    def link(self, *, tls: bool = True) -> str:
        """Remember what is given out."""
        self.links.append(super().link(tls=tls))
        return self.links[-1]

    async def enroll(self) -> int:
        """Let a new device ask for its token; gives the status."""
        key = DeviceKey.generate()
        identity = json.dumps({"mac": f"02:{next(self.keys):02}"})
        body = json.dumps({"id_data": identity, "pubkey": key.pubkey_pem}).encode()
        signature = key.sign(body)
        self.signatures.add(signature)
        status, answer = await self.ask("POST", AUTH, body, X_MEN_Signature=signature)
        if status != 200:
            self.written[f"answer {len(self.written)}"] = answer.decode()
        return status

    async def download(self, link: str) -> bytes:
        """Let a device ask for an artifact; gives all that comes until the connection ends."""
        line = await self.device()
        line.send(f"GET {link} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n".encode())
        await line.until_lost()
        taken = await line.take(line.count)
        head, _, body = taken.partition(b"\r\n\r\n")
        self.written[f"answer {len(self.written)}"] = head.decode()
        if body != DATA:
            self.written[f"body {len(self.written)}"] = body.decode("latin-1")
        return taken

    async def scrape(self) -> None:
        """Keep the page of metrics."""
        assert self.gateway.metrics is not None
        port = self.gateway.metrics.listener.address.port
        page = await get(self.reactor, LOOPBACK, port, "/metrics")
        self.written["metrics"] = page.decode()

    def break_down(self, kind: type, name: str) -> None:
        """Let something fail that nobody expects to, in the middle of a request."""

        async def broken(*_: Any) -> None:
            raise Broken

        self.patch(kind, name, broken)

    def secrets(self) -> dict[str, set[str]]:
        """Give all secrets by their kind, as they were written somewhere on the way."""
        credentials = {device.token for device in self.server.devices.values() if device.token}
        for seen in self.server.requests:
            values = seen.headers.getRawHeaders("authorization", [])
            credentials |= {value.split()[-1] for value in values} - {"none"}
        signer = LinkSigner(GATEWAY_URL, SECRET, 1800)
        links = {"X-Amz-"}
        for link in self.links:
            path, query = urlsplit(link).path, parse_qs(urlsplit(link).query)
            links |= {path.split("/")[2], *query["signature"]}
            url = signer.verify(link.encode()).url
            links |= set(parse_qs(urlsplit(str(url)).query)["X-Amz-Signature"])
        return {
            "service user": basic(USER, PASSWORD),
            "proxy": basic(PROXY_USER, self.proxy.password) | basic(PROXY_USER, WRONG),
            "credential": credentials | self.signatures,
            "link": links,
            "key": key_lines(self.directory / "gateway.key"),
            "link secret": {b64encode(SECRET).decode(), SECRET.hex(), SECRET.decode()},
        }

    async def live(self) -> None:
        """Let a good day go by, then a bad one."""
        await self.start_proxy()
        self.start_gateway()
        self.assertEqual(await self.enroll(), 200)
        token = next(device.token for device in self.server.devices.values())
        assert token is not None
        self.assertEqual(await self.report(token.encode()), 200)
        self.store.faults.append(Cut(after=len(DATA) // 2))
        self.assertIn(DATA, await self.download(self.link()))
        await self.bad_day()
        await self.scrape()
        await self.stop_gateway()

    async def bad_day(self) -> None:
        """Let everything go wrong, one thing after the other."""
        self.server.management.faults.append(Refuse(503))
        self.assertEqual(await self.enroll(), 503)
        link = self.link()
        self.assertIn(b" 403 ", (await self.download(link + "x"))[:20])
        self.break_down(ArtifactCache, "open")
        self.assertIn(b" 500 ", (await self.download(link))[:20])
        self.break_down(Preauthorization, "ensure")
        self.assertEqual(await self.enroll(), 500)
        self.assertEqual(len(self.flushLoggedErrors(Broken)), 2)

    async def test_nothing_leaks(self) -> None:
        """No password, token, link or key is in a log line, a traceback, an answer or a metric."""
        await self.live()
        url = self.proxy.url(WRONG)
        self.start_gateway(HTTP_PROXY=url, HTTPS_PROXY=url)
        self.assertEqual(await self.report(), 502)
        await self.stop_gateway()
        for form, stream in self.logs.items():
            self.written[f"log as {form}"] = stream.getvalue()
            for expected in (
                "Broken",
                "preauthorization failed",
                "opens no tunnel",
                "wrong sig",
            ):
                self.assertIn(expected, self.written[f"log as {form}"])
        for path in (self.directory / "cache").rglob("*"):
            if path.is_file():
                self.written[str(path)] = path.read_bytes().decode("latin-1")
        self.assertEqual(leaks(self.written, self.secrets()), [])


class ProcessTests(CommandTestCase):
    """What others on the machine see of the process."""

    async def test_process(self) -> None:
        """No secret is in its log, in what systemd is told, or among its arguments."""
        # Not mktemp(): a socket's address has to be short.
        directory = Path(mkdtemp())
        self.addCleanup(rmtree, directory)
        systemd = Notifications()
        address = str(directory / "notify")
        port: Any = reactor.listenUNIXDatagram(  # type: ignore[attr-defined]
            address, systemd, maxPacketSize=65536
        )
        self.addCleanup(maybeDeferred, port.stopListening)
        secret = b64encode(SECRET).decode()
        proxy = f"http://{PROXY_USER}:{quote(WRONG, safe='')}@{LOOPBACK}:1"
        environment = {
            "NOTIFY_SOCKET": address,
            "HTTP_PROXY": proxy,
            "HTTPS_PROXY": proxy,
            "ARTIFACTS_PROXY_CACHE_SECRET": secret,
            "MTLS_MENDER_USERNAME": USER,
            "MTLS_MENDER_PASSWORD": PASSWORD,
        }
        gateway = self.run_command(
            (*CONSOLE, "--log-level", "debug"),
            environ=environment,
            HTTP={"Listen": f"{LOOPBACK}:0"},
        )
        await systemd.until_told("READY")
        process: Any = gateway.transport
        arguments = Path(f"/proc/{process.pid}/cmdline").read_text()
        path = "/api/devices/v1/deployments/device/deployments/next"
        self.assertEqual(status(await get(reactor, LOOPBACK, gateway.port(), path)), 502)
        gateway.tell("HUP")
        await systemd.until_told("READY", 2)
        gateway.tell("TERM")
        await self.assert_stopped(gateway)
        written = {
            "log": gateway.output,
            "status": json.dumps(systemd.messages),
            "arguments": arguments,
        }
        secrets = {
            "proxy": basic(PROXY_USER, WRONG),
            "service user": basic(USER, PASSWORD),
            "link secret": {secret, SECRET.hex(), SECRET.decode()},
        }
        self.assertEqual(leaks(written, secrets), [])


def leaks(written: dict[str, str], secrets: dict[str, set[str]]) -> list[tuple[str, str]]:
    """
    Search all that was written.

    :return: where something was found, and of which kind.
    """
    return [
        (where, kind)
        for where, text in written.items()
        for kind, values in secrets.items()
        if any(value in text for value in values)
    ]
