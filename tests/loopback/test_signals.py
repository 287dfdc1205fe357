"""What the process makes of signals while it has devices."""

from __future__ import annotations

from pathlib import Path

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from menderproxy.demo.certificates import ThrowAwayAuthority
from tests.loopback.command import ALIVE, LOOPBACK, READY, CommandTestCase, Process
from tests.loopback.exchange import get, status
from tests.loopback.lines import Line, Upstream, connect

API = "/api/devices/v1/inventory/device/attributes"


@implementer(IOpenSSLClientConnectionCreator)
class Looker:
    """A client that takes any certificate, and looks at it."""

    def __init__(self) -> None:
        self._connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Give the one connection."""
        return self._connection

    @property
    def serial(self) -> int:
        """The number of the certificate that it saw."""
        certificate = self._connection.get_peer_certificate()
        assert certificate is not None
        return certificate.get_serial_number()


class StopTests(CommandTestCase):
    """SIGTERM with a request in progress."""

    async def setUp(self) -> None:  # type: ignore[override]
        """Start a gateway, and let a device wait for its answer."""
        self.upstream = Upstream(reactor)
        await self.upstream.start()
        self.addCleanup(self.upstream.stop)
        self.gateway = self.run_command(
            HTTP={"Listen": f"{LOOPBACK}:0"},
            UpstreamServer={"URL": f"http://{LOOPBACK}:{self.upstream.port}"},
            Limits={"DrainTimeout": "1h"},
        )
        await self.gateway.until_seen("running...")
        self.device = await connect(reactor, self.gateway.port())
        self.addCleanup(self.device.cut)
        self.device.send(f"GET {API} HTTP/1.1\r\nHost: gateway.example\r\n\r\n".encode())
        self.line: Line = await self.upstream.accept()
        await self.line.take_head()

    async def probe(self, path: str) -> int:
        """Ask for a path; gives 0 when the connection is cut."""
        return status(await get(reactor, LOOPBACK, self.gateway.port(), path))

    async def test_drained(self) -> None:
        """The answer is waited for; others learn that nothing more is wanted."""
        self.assertEqual(await self.probe(READY), 204)
        self.gateway.tell("TERM")
        await self.gateway.until_seen("draining")
        self.assertEqual([await self.probe(path) for path in (ALIVE, READY, API)], [204, 503, 0])
        self.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        await self.device.until_lost()
        self.assertFalse(self.device.was_cut)
        self.assertTrue(self.device.received.endswith(b"\r\n\r\ndone"))
        await self.assert_stopped(self.gateway)

    async def test_twice(self) -> None:
        """The second signal cuts the device off, and the process ends as after one."""
        for signal in ("TERM", "INT"):
            self.gateway.tell(signal)
            await self.gateway.until_seen("draining")
        await self.device.until_lost()
        self.assertTrue(self.device.was_cut)
        await self.assert_stopped(self.gateway)


class HangupTests(CommandTestCase):
    """SIGHUP."""

    async def serial(self, gateway: Process) -> int:
        """Give the number of the certificate that a gateway shows."""
        looker = Looker()
        answer = await get(reactor, LOOPBACK, gateway.port("HTTPS"), ALIVE, looker)
        self.assertEqual(status(answer), 204)
        return looker.serial

    async def test_certificate(self) -> None:
        """A new certificate is in force at once, and the process goes on."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        authority = ThrowAwayAuthority.create()
        certificate, key = authority.issue(LOOPBACK).write(directory)
        gateway = self.run_command(
            HTTP={"Listen": f"{LOOPBACK}:0"},
            HTTPS={
                "Enabled": True,
                "Listen": f"{LOOPBACK}:0",
                "ServerCertificate": str(certificate),
                "ServerKey": str(key),
            },
        )
        await gateway.until_seen("running...")
        before = await self.serial(gateway)
        authority.issue(LOOPBACK).write(directory)
        gateway.tell("HUP")
        await gateway.until_seen("in force now: the server's certificate")
        self.assertNotEqual(await self.serial(gateway), before)
        self.assertIn("SIGHUP", gateway.output)
        gateway.tell("TERM")
        await self.assert_stopped(gateway)
