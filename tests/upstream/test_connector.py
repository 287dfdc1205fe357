"""From an origin to a connection: only to addresses that are allowed, or through a proxy."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.agent import Agent, Answer, RawHeaders
from menderproxy.upstream.connector import AddressRule, Connector, Origin, any_address, bracketed
from menderproxy.upstream.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from menderproxy.upstream.proxies import ProxyRules, ProxyServer
from menderproxy.upstream.tls import TrustRoots
from tests.network import Line, Network

METADATA = "169.254.169.254"
CREDENTIALS = "Basic dXNlcjpzM2NyZXQ="


def not_metadata(address: str, origin: Origin) -> bool:
    """Refuse one address."""
    return address != METADATA


def agent_on(
    network: Network, allows: AddressRule = any_address, proxies: ProxyRules | None = None
) -> Agent:
    """Make an agent on a network in memory."""
    trust = TrustRoots(system=False)
    return Agent(network, Connector(network, trust=trust, allows=allows, proxies=proxies))


def ask(
    agent: Agent, scheme: str, host: str, port: int, headers: RawHeaders = ((b"Host", b"h"),)
) -> Deferred[Answer]:
    """Send a request for /path?query."""
    origin = Origin(scheme, host, port)
    return Deferred.fromCoroutine(agent.request(origin, b"GET", b"/path?query", headers))


class AddressRuleTests(SynchronousTestCase):
    """What a name resolves to is checked before it is connected to."""

    def test_a_refused_address_is_left_out(self) -> None:
        """Of the addresses of a name those that are refused are never tried, the others are."""
        network = Network(store=(METADATA, "192.0.2.7", "2001:db8::7"))
        ask(agent_on(network, not_metadata), "http", "store", 80)
        network.advance(5)
        self.assertEqual(network.dialled, [("192.0.2.7", 80), ("2001:db8::7", 80)])

    def test_all_refused(self) -> None:
        """A name with refused addresses only leads nowhere, and the log says why."""
        network = Network(store=(METADATA,))
        with capturedLogs() as events:
            asked = ask(agent_on(network, not_metadata), "http", "store", 80)
        self.failureResultOf(asked, UpstreamUnavailable)
        self.assertEqual(network.dialled, [])
        lines = [formatEvent(event) for event in events]
        self.assertIn(f"not connecting to {METADATA}: the address is not allowed", lines)

    def test_literals(self) -> None:
        """An address in the URL is checked like one that was looked up."""
        network = Network()
        self.failureResultOf(
            ask(agent_on(network, not_metadata), "http", METADATA, 80), UpstreamUnavailable
        )
        self.assertEqual(network.dialled, [])

    def test_https(self) -> None:
        """The scheme makes no difference."""
        network = Network(store=(METADATA, "192.0.2.7"))
        ask(agent_on(network, not_metadata), "https", "store", 443)
        network.advance(5)
        self.assertEqual(network.dialled, [("192.0.2.7", 443)])

    def test_the_rule_knows_the_origin(self) -> None:
        """What is allowed may depend on what was asked for."""
        seen = []

        def rule(address: str, origin: Origin) -> bool:
            seen.append((address, origin))
            return True

        network = Network()
        agent = agent_on(network, rule)
        ask(agent, "http", "192.0.2.8", 80)
        ask(agent, "https", "store.example", 8443)
        self.assertEqual(
            seen,
            [
                ("192.0.2.8", Origin("http", "192.0.2.8", 80)),
                ("192.0.2.1", Origin("https", "store.example", 8443)),
            ],
        )

    def test_checked_on_each_connection(self) -> None:
        """A name is looked up, and checked, again for each new connection."""
        names: dict[str, tuple[str, ...] | None] = {"store": ("192.0.2.7",)}
        network = Network(**names)
        agent = agent_on(network, not_metadata)
        ask(agent, "http", "store", 80)
        network.nameResolver = Network(store=(METADATA,)).nameResolver
        self.failureResultOf(ask(agent, "http", "store", 80), UpstreamUnavailable)


class SchemeTests(SynchronousTestCase):
    """Plain connections, and TLS ones."""

    def first_bytes(self, scheme: str) -> bytes:
        """Give the start of what an upstream gets."""
        network = Network()
        ask(agent_on(network), scheme, "mender.example.com", 1234)
        line = network.accept()
        network.advance(0)
        return line.received()[:4]

    def test_http(self) -> None:
        """Plain HTTP starts with the request."""
        self.assertEqual(self.first_bytes("http"), b"GET ")

    def test_https(self) -> None:
        """HTTPS starts with a TLS handshake."""
        self.assertEqual(self.first_bytes("https")[:2], b"\x16\x03")


class ProxyTestCase(SynchronousTestCase):
    """Has a proxy with a password."""

    def setUp(self) -> None:
        """Make agent and proxy."""
        self.network = Network()
        proxy = ProxyServer.parse("http://user:s3cret@proxy.example:3128")
        rules = ProxyRules(http=proxy, https=proxy, no_proxy=("direct.example",))
        # The rule is about addresses that we look up; behind a proxy that is the proxy's task.
        self.agent = agent_on(self.network, lambda address, origin: False, rules)

    def asked(self, scheme: str, host: str, port: int) -> tuple[Line, list[bytes]]:
        """Give the connection of a request, and the lines of the head that came on it."""
        ask(self.agent, scheme, host, port)
        line = self.network.accept()
        self.network.advance(0)
        return line, line.received().split(b"\r\n")


class PlainProxyTests(ProxyTestCase):
    """Plain HTTP through a proxy."""

    def test_absolute_target(self) -> None:
        """The proxy is told the whole URL, its target byte for byte, and the password."""
        line, head = self.asked("http", "store.example", 9000)
        self.assertEqual(line.peer, ("192.0.2.1", 3128))
        self.assertEqual(head[0], b"GET http://store.example:9000/path?query HTTP/1.1")
        self.assertIn(b"Proxy-Authorization: " + CREDENTIALS.encode(), head)
        self.assertIn(b"Host: h", head)

    def test_ipv6(self) -> None:
        """An IPv6 address stands in brackets."""
        _, head = self.asked("http", "2001:db8::7", 8080)
        self.assertEqual(head[0], b"GET http://[2001:db8::7]:8080/path?query HTTP/1.1")

    def test_usual_port(self) -> None:
        """The usual port is left out: a proxy makes the Host of it, which links have signed."""
        _, head = self.asked("http", "store.example", 80)
        self.assertEqual(head[0], b"GET http://store.example/path?query HTTP/1.1")

    def test_direct(self) -> None:
        """What needs no proxy gets neither the absolute URL nor the password."""
        agent = agent_on(
            self.network,
            proxies=ProxyRules(
                http=ProxyServer.parse("http://user:s3cret@proxy.example:3128"),
                no_proxy=("direct.example",),
            ),
        )
        ask(agent, "http", "direct.example", 80)
        line = self.network.accept()
        sent = line.received()
        self.assertEqual(line.peer, ("192.0.2.1", 80))
        self.assertTrue(sent.startswith(b"GET /path?query HTTP/1.1\r\n"))
        self.assertNotIn(b"Proxy-Authorization", sent)


class TunnelTests(ProxyTestCase):
    """HTTPS through a proxy."""

    def test_tls_through_a_tunnel(self) -> None:
        """The proxy is asked for a tunnel, and TLS starts inside of it."""
        line, head = self.asked("https", "mender.example.com", 443)
        self.assertEqual(line.peer, ("192.0.2.1", 3128))
        self.assertEqual(head[0], b"CONNECT mender.example.com:443 HTTP/1.1")
        line.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.network.advance(0)
        self.assertEqual(line.received()[:2], b"\x16\x03")

    def test_no_request_without_a_tunnel(self) -> None:
        """A proxy that refuses sees nothing of the request, and the error names its answer."""
        asked = ask(self.agent, "https", "mender.example.com", 443)
        line = self.network.accept()
        self.assertNotIn(b"/path", line.received())
        line.send(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        error = str(self.failureResultOf(asked, UpstreamUnavailable).value)
        self.assertIn("407 Proxy Authentication Required", error)
        self.assertNotIn("s3cret", error)


class TroubleTests(ProxyTestCase):
    """A proxy that is of no use: an error soon, which names it, and never its password."""

    def trouble(self, asked: Deferred[Answer], kind: type[UpstreamError]) -> str:
        """Give the text of the error that a request ended with, and see that the next one works."""
        text = str(self.failureResultOf(asked, kind).value)
        self.assertNotIn("s3cret", text)
        self.network.advance(0)
        self.assertEqual(self.network.getDelayedCalls(), [])
        again = ask(self.agent, "http", "mender.example.com", 80)
        self.network.accept().send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.assertEqual(self.successResultOf(again).code, 200)
        return text

    def test_down(self) -> None:
        """Nobody listens where the proxy should be."""
        asked = ask(self.agent, "https", "mender.example.com", 443)
        self.network.refuse()
        self.network.advance(1)
        text = self.trouble(asked, UpstreamUnavailable)
        self.assertIn("https://mender.example.com:443 through the proxy proxy.example:3128", text)
        self.assertIn("refused", text)

    def test_silent(self) -> None:
        """A proxy that does not say whether it opens a tunnel is waited for no longer than any."""
        asked = ask(self.agent, "https", "mender.example.com", 443)
        line = self.network.accept()
        self.network.advance(9)
        self.assertNoResult(asked)
        self.network.advance(1)
        self.assertTrue(line.aborted)
        self.assertEqual(
            self.trouble(asked, UpstreamTimeout),
            "https://mender.example.com:443 through the proxy proxy.example:3128: "
            "no connection within 10 s",
        )

    def test_closed(self) -> None:
        """A proxy may hang up instead of answering."""
        asked = ask(self.agent, "https", "mender.example.com", 443)
        self.network.accept().hang_up()
        self.assertIn("proxy.example:3128", self.trouble(asked, UpstreamUnavailable))

    def test_forbidden(self) -> None:
        """A proxy may open no tunnel to where we want."""
        asked = ask(self.agent, "https", "mender.example.com", 443)
        self.network.accept().send(b"HTTP/1.1 403 Forbidden\r\n\r\nNo.")
        self.assertEqual(
            self.trouble(asked, UpstreamUnavailable),
            "the proxy proxy.example:3128 opens no tunnel to mender.example.com:443: "
            "HTTP/1.1 403 Forbidden",
        )

    def test_password_refused(self) -> None:
        """That the proxy wants another password, however it says so, is no answer for a device."""
        for status, head in (
            (407, b"407 Who are you?"),
            (401, b"401 Unauthorized\r\nWWW-Authenticate: Basic realm=proxy"),
        ):
            asked = ask(self.agent, "http", "mender.example.com", 80)
            line = self.network.accept()
            line.send(b"HTTP/1.1 %b\r\nContent-Length: 9\r\n\r\nno" % head)
            self.assertTrue(line.aborted)
            self.assertEqual(
                str(self.failureResultOf(asked, UpstreamUnavailable).value),
                "http://mender.example.com:80 through the proxy proxy.example:3128 "
                f"wants other credentials ({status})",
            )

    def test_token_refused(self) -> None:
        """What the upstream itself refuses is the device's to know, with and without a proxy."""
        answer = b"HTTP/1.1 401 Unauthorized\r\n%bContent-Length: 9\r\n\r\n{}"
        for agent, challenge in (
            (self.agent, b""),
            (self.agent, b"WWW-Authenticate: Bearer\r\n"),
            (agent_on(self.network), b"WWW-Authenticate: Basic\r\n"),
        ):
            asked = ask(agent, "http", "mender.example.com", 80)
            self.network.accept().send(answer % challenge)
            self.assertEqual(self.successResultOf(asked).code, 401)


class OriginTests(SynchronousTestCase):
    """How an origin is written."""

    def test_text(self) -> None:
        """Scheme, host and port are all told; an IPv6 address stands in brackets."""
        self.assertEqual(str(Origin("https", "a.example", 443)), "https://a.example:443")
        self.assertEqual(str(Origin("http", "::1", 80)), "http://[::1]:80")

    def test_bracketed(self) -> None:
        """Only IPv6 addresses need brackets."""
        self.assertEqual(bracketed("::1"), "[::1]")
        self.assertEqual(bracketed("192.0.2.1"), "192.0.2.1")
