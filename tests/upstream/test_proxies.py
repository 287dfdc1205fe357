"""Who needs a proxy, and how a tunnel through it is made."""

from __future__ import annotations

from base64 import b64encode

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.proxies import (
    MAX_PROXY_ANSWER,
    ConnectTunnel,
    ProxyRefused,
    ProxyRules,
    ProxyServer,
)
from tests.network import Line, Network

PROXY = ProxyServer("proxy.example", 3128)


class ProxyServerTests(SynchronousTestCase):
    """How a proxy is written."""

    def test_host_and_port(self) -> None:
        """The scheme may be left out, and so may the port."""
        for text in (
            "http://proxy.example:3128",
            "proxy.example:3128",
            "HTTP://proxy.example:3128/",
        ):
            self.assertEqual(ProxyServer.parse(text), PROXY)
        self.assertEqual(ProxyServer.parse("http://proxy.example").port, 80)

    def test_ipv6(self) -> None:
        """An IPv6 address is written in brackets."""
        self.assertEqual(ProxyServer.parse("http://[::1]:3128"), ProxyServer("::1", 3128))

    def test_credentials(self) -> None:
        """User and password go into the header, percent-encoding undone."""
        proxy = ProxyServer.parse("http://us%40er:s3:cr%2Fet@proxy.example")
        self.assertEqual(proxy.authorization, b"Basic dXNAZXI6czM6Y3IvZXQ=")

    def test_odd_password(self) -> None:
        """A password may hold brackets, colons and any letter: only the last @ ends it."""
        for password in ("[::1]:80", "\u2100", "a]", "["):
            pair = b64encode(f"user:{password}".encode())
            proxy = ProxyServer.parse(f"http://user:{password}@proxy.example:3128")
            self.assertEqual(proxy, attrs.evolve(PROXY, authorization=b"Basic " + pair))

    def test_user_alone(self) -> None:
        """A password may be empty."""
        self.assertEqual(ProxyServer.parse("http://user@p").authorization, b"Basic dXNlcjo=")

    def test_credentials_are_not_shown(self) -> None:
        """Neither repr nor str shows the password, in whatever form."""
        proxy = ProxyServer.parse("http://user:s3cret@proxy.example")
        for text in (repr(proxy), str(proxy), repr(ProxyRules(http=proxy))):
            self.assertNotIn("s3cret", text)
            self.assertNotIn("dXNlcjpzM2NyZXQ", text)

    def test_text(self) -> None:
        """In a message a proxy is its host and port."""
        for written, text in (
            ("http://user:s3cret@proxy.example:3128", "proxy.example:3128"),
            ("http://[::1]", "[::1]:80"),
        ):
            self.assertEqual(str(ProxyServer.parse(written)), text)

    def test_malformed(self) -> None:
        """What is no proxy is refused, without a look at the password."""
        for text in (
            "https://u:s3cret@proxy.example",
            "socks5://u:s3cret@proxy.example",
            "http://u:s3cret@proxy.example:port",
            "http://u:s3cret@proxy.example:99999",
            "http://u:s3cret@[::1",
            "http://u:s3cret@",
            "",
        ):
            error = self.assertRaises(ValueError, ProxyServer.parse, text)
            self.assertNotIn("s3cret", str(error))


class RulesTests(SynchronousTestCase):
    """Which upstreams are reached through which proxy."""

    def test_by_scheme(self) -> None:
        """Each scheme has a proxy of its own, or none."""
        rules = ProxyRules(https=PROXY)
        self.assertIs(rules.proxy_for("https", "a.example", 443), PROXY)
        self.assertIsNone(rules.proxy_for("http", "a.example", 80))

    def test_loopback(self) -> None:
        """This machine is reached without a proxy, whatever it is called."""
        rules = ProxyRules(https=PROXY)
        for host in ("localhost", "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"):
            self.assertIsNone(rules.proxy_for("https", host, 443), host)
        for host in ("localhost.example", "my.localhost", "128.0.0.1", "::2"):
            self.assertIs(rules.proxy_for("https", host, 443), PROXY, host)

    def test_exempted(self) -> None:
        """One entry of several is enough for a direct connection; malformed ones are no harm."""
        rules = ProxyRules(http=PROXY, https=PROXY, no_proxy=("10.0.0.0/99", ":", "a.example:443"))
        self.assertIsNone(rules.proxy_for("https", "a.example", 443))
        self.assertIs(rules.proxy_for("http", "a.example", 80), PROXY)
        self.assertIs(rules.proxy_for("https", "b.example", 443), PROXY)


class Behind(Protocol):
    """What lies behind a tunnel."""

    def __init__(self) -> None:
        self.data = b""
        self.error: BaseException | None = None

    def dataReceived(self, data: bytes) -> None:
        """Take note of what came."""
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take note of the end."""
        self.error = reason.value


class Unwilling(Factory):
    """Wants no connection."""

    def buildProtocol(self, addr: IAddress | None) -> None:
        """Refuse."""


class TunnelTests(SynchronousTestCase):
    """The handshake with the proxy."""

    def setUp(self) -> None:
        """Ask a proxy for a tunnel."""
        self.behind = Behind()
        self.line, self.opened = self.tunnel(Factory.forProtocol(lambda: self.behind))

    def tunnel(
        self, factory: Factory, server: ProxyServer = PROXY, host: str = "mender.example.com"
    ) -> tuple[Line, Deferred[IProtocol]]:
        """Ask a proxy for a tunnel."""
        self.network = Network()
        proxy = HostnameEndpoint(self.network, server.host, server.port)
        opened = ConnectTunnel(proxy, server, host, 443).connect(factory)
        return self.network.accept(), opened

    def assert_refused(self, why: str) -> None:
        """Assert that there is no tunnel, and that the proxy's connection is cut."""
        error = self.failureResultOf(self.opened, ProxyRefused).value
        no_tunnel = "the proxy proxy.example:3128 opens no tunnel to mender.example.com:443: "
        self.assertEqual(str(error), no_tunnel + why)
        self.assertTrue(self.line.aborted)
        self.network.advance(0)
        self.assertEqual(self.behind.data, b"")

    def test_request(self) -> None:
        """The proxy is told where to, and nothing else."""
        self.assertEqual(
            self.line.received(),
            b"CONNECT mender.example.com:443 HTTP/1.1\r\nHost: mender.example.com:443\r\n\r\n",
        )

    def test_request_with_credentials(self) -> None:
        """A proxy that wants credentials gets them; an IPv6 address stands in brackets."""
        server = ProxyServer("proxy.example", 3128, b"Basic abc")
        line, _ = self.tunnel(Factory.forProtocol(Behind), server, "::1")
        self.assertEqual(
            line.received(),
            b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"
            b"Proxy-Authorization: Basic abc\r\n\r\n",
        )

    def test_opened(self) -> None:
        """Once the proxy agrees the connection is the inner protocol's, both ways."""
        self.line.received()
        self.line.send(b"HTTP/1.0 200 Connection established\r\nVia: x\r\n", b"\r\n")
        self.assertIs(self.successResultOf(self.opened), self.behind)
        self.line.send(b"hello")
        self.assertEqual(self.behind.data, b"hello")
        assert self.behind.transport is not None
        self.behind.transport.write(b"hi")
        self.assertEqual(self.line.received(), b"hi")
        self.line.hang_up()
        self.assertIsInstance(self.behind.error, ConnectionDone)

    def test_early_bytes(self) -> None:
        """What comes with the proxy's answer is the inner protocol's; no byte of it is lost."""
        self.line.send(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
        self.successResultOf(self.opened)
        self.assertEqual(self.behind.data, b"hello")

    def test_byte_by_byte(self) -> None:
        """The proxy may be slow."""
        for byte in b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n":
            self.assertNoResult(self.opened)
            self.line.send(bytes([byte]))
        self.successResultOf(self.opened)

    def test_authentication_required(self) -> None:
        """A proxy that wants (other) credentials refuses."""
        self.line.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nA: b\r\n\r\n")
        self.assert_refused("HTTP/1.1 407 Proxy Authentication Required")

    def test_garbage(self) -> None:
        """What is no HTTP is no tunnel, and is not waited for to end a line."""
        for garbage in (b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01", b"HTTP/2 200\r\n\r\n", b"\n"):
            self.setUp()
            self.line.send(garbage)
            error = self.failureResultOf(self.opened, ProxyRefused).value
            self.assertTrue(self.line.aborted)
            self.assertIn("opens no tunnel", str(error))

    def test_odd_phrase(self) -> None:
        """What a status line holds beyond ASCII gets into a log only made harmless."""
        self.line.send(b"HTTP/1.1 403 No\xff\r\n\r\n")
        self.assert_refused("HTTP/1.1 403 No\\xff")

    def test_interim_status(self) -> None:
        """A status that merely starts like 200 opens nothing."""
        self.line.send(b"HTTP/1.1 2000 OK\r\n\r\n")
        self.assert_refused("HTTP/1.1 2000 OK")

    def test_too_long(self) -> None:
        """A proxy that goes on and on is cut off."""
        self.line.send(b"HTTP/1.1 200 OK\r\n" + b"x" * (MAX_PROXY_ANSWER - 17))
        self.assertNoResult(self.opened)
        self.line.send(b"x")
        self.assert_refused("its answer is too long")

    def test_closed(self) -> None:
        """A proxy that closes instead of an answer opened nothing."""
        self.line.send(b"HTTP/1.1 200 OK\r\n")
        self.line.hang_up()
        self.failureResultOf(self.opened, ConnectionDone)

    def test_cancelled(self) -> None:
        """A tunnel that nobody wants any more is given up, once."""
        self.opened.cancel()
        self.failureResultOf(self.opened, CancelledError)
        self.assertTrue(self.line.aborted)
        self.network.advance(0)

    def test_nobody_behind(self) -> None:
        """A factory may have changed its mind."""
        self.line, self.opened = self.tunnel(Unwilling())
        self.line.send(b"HTTP/1.1 200 OK\r\n\r\n")
        self.assert_refused("nobody wants the connection any more")

    def test_peer(self) -> None:
        """The inner protocol's factory is told the proxy's address: that is the peer."""
        seen: list[IAddress | None] = []

        class Curious(Factory):
            def buildProtocol(self, addr: IAddress | None) -> Protocol:
                seen.append(addr)
                return Behind()

        line, _ = self.tunnel(Curious())
        line.send(b"HTTP/1.1 200 OK\r\n\r\n")
        self.assertEqual(seen, [line.getPeer()])
        self.assertIsInstance(seen[0], IPv4Address)
