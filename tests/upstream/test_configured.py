"""The two agents do as the configuration says."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.load import ConfigError
from menderproxy.config.model import GatewayConfig
from menderproxy.upstream.agent import Agent, Answer
from menderproxy.upstream.configured import mender_agent, store_agent
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.errors import UpstreamTimeout, UpstreamUnavailable
from menderproxy.wire.whitelist import Whitelist
from tests.certificates import Identity, dns, pem_of, root, self_signed
from tests.config.documents import config_with
from tests.handshake import shake_hands
from tests.network import Network
from tests.upstream.sink import Sink

STORES = Whitelist.parse(["store.example"])


def ask(agent: Agent, scheme: str, host: str) -> Deferred[Answer]:
    """Send a request."""
    origin = Origin(scheme, host, 443 if scheme == "https" else 80)
    return Deferred.fromCoroutine(agent.request(origin, b"GET", b"/", [(b"Host", b"h")]))


class AddressTests(SynchronousTestCase):
    """Where the agents go."""

    def dialled(self, agent_for: str, address: str) -> bool:
        """Tell whether an agent connects to a host with some address."""
        network = Network(**{"store.example": (address,)})
        config = config_with()
        agent = (
            store_agent(config, network, STORES)
            if agent_for == "stores"
            else mender_agent(config, network)
        )
        ask(agent, "http", "store.example").addErrback(lambda _: None)
        return bool(network.dialled)

    def test_stores(self) -> None:
        """Stores may have private addresses, but never a cloud's metadata address or ours."""
        self.assertTrue(self.dialled("stores", "10.0.0.1"))
        self.assertFalse(self.dialled("stores", "169.254.169.254"))
        self.assertFalse(self.dialled("stores", "127.0.0.1"))

    def test_mender_server(self) -> None:
        """The Mender Server may be anywhere, on this very machine for example."""
        self.assertTrue(self.dialled("Mender Server", "127.0.0.1"))


class TrustTests(SynchronousTestCase):
    """Whom the agents talk to."""

    def setUp(self) -> None:
        """Make an authority, and a server's certificate from it."""
        self.authority = root()
        self.ca_file = Path(self.mktemp())
        self.ca_file.write_bytes(b"# ours\n" + pem_of(self.authority.certificate))

    def config(self, *settings: tuple[str, object]) -> GatewayConfig:
        """Make a configuration that trusts the authority."""
        return config_with(("UpstreamServer.CACertificate", str(self.ca_file)), *settings)

    def talks(self, agent: Agent, server: Identity) -> bool:
        """Tell whether an agent talks to a store with some certificate."""
        return shake_hands(
            agent._connector._creator("store.example"), server.server_options()
        ).succeeded

    def test_own_authority(self) -> None:
        """``CACertificate`` counts for the Mender Server and for stores."""
        server = self.authority.issue("x", dns("store.example"))
        for agent in (
            mender_agent(self.config(), Network()),
            store_agent(self.config(), Network(), STORES),
        ):
            self.assertTrue(self.talks(agent, server))
            self.assertFalse(self.talks(agent, self_signed("x", dns("store.example"))))

    def test_insecure(self) -> None:
        """``InsecureSkipVerify`` is about the Mender Server alone."""
        config = self.config(("UpstreamServer.InsecureSkipVerify", True))
        server = self_signed("x")
        self.assertTrue(self.talks(mender_agent(config, Network()), server))
        self.assertFalse(self.talks(store_agent(config, Network(), STORES), server))

    def test_unreadable(self) -> None:
        """A file that is not there, or holds no certificate, is named."""
        empty = self.mktemp()
        Path(empty).touch()
        for path, why in (("/nowhere/ca.pem", "No such file"), (empty, "not a PEM certificate")):
            config = config_with(("UpstreamServer.CACertificate", path))
            error = self.assertRaises(ConfigError, mender_agent, config, Network())
            self.assertIn(f"UpstreamServer.CACertificate: {path}: {why}", str(error))


class LimitTests(SynchronousTestCase):
    """For how long the agents wait."""

    def test_connect(self) -> None:
        """``UpstreamConnectTimeout`` limits a connection attempt, name look-up included."""
        network = Network(**{"slow.example": None})
        agent = mender_agent(config_with(("Limits.UpstreamConnectTimeout", "3s")), network)
        asked = ask(agent, "http", "slow.example")
        network.advance(3)
        self.failureResultOf(asked, UpstreamTimeout)

    def test_response(self) -> None:
        """``UpstreamResponseTimeout`` limits the wait for an answer."""
        network = Network()
        agent = mender_agent(config_with(("Limits.UpstreamResponseTimeout", "3s")), network)
        asked = ask(agent, "http", "a.example")
        network.accept()
        network.advance(3)
        self.failureResultOf(asked, UpstreamTimeout)

    def test_idle(self) -> None:
        """``UpstreamIdleTimeout`` limits the wait for more of a body."""
        network = Network()
        agent = mender_agent(config_with(("Limits.UpstreamIdleTimeout", "3s")), network)
        asked = ask(agent, "http", "a.example")
        network.accept().send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        sink = Sink()
        self.successResultOf(asked).deliver(sink)
        network.advance(3)
        self.assertEqual([type(ending) for ending in sink.ending], [UpstreamTimeout])


class ProxyTests(SynchronousTestCase):
    """Which proxies the agents use."""

    def test_by_scheme(self) -> None:
        """``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` are all heard."""
        config = config_with(
            HTTP_PROXY="http://plain.example:3128",
            HTTPS_PROXY="http://secure.example:3129",
            NO_PROXY="a.example, direct.example",
        )
        network = Network(**{"plain.example": ("192.0.2.10",), "secure.example": ("192.0.2.11",)})
        agent = mender_agent(config, network)
        for scheme, host in (
            ("http", "b.example"),
            ("https", "b.example"),
            ("https", "direct.example"),
        ):
            ask(agent, scheme, host)
        self.assertEqual(
            network.dialled, [("192.0.2.10", 3128), ("192.0.2.11", 3129), ("192.0.2.1", 443)]
        )

    def test_none(self) -> None:
        """Without a proxy upstreams are reached directly."""
        network = Network()
        ask(mender_agent(config_with(), network), "https", "b.example")
        self.assertEqual(network.dialled, [("192.0.2.1", 443)])


class UnavailableTests(SynchronousTestCase):
    """What is not there is not there."""

    def test_unknown_name(self) -> None:
        """A name without an address is unavailable, and named."""
        network = Network(**{"nowhere.example": ()})
        asked = ask(mender_agent(config_with(), network), "https", "nowhere.example")
        error = self.failureResultOf(asked, UpstreamUnavailable).value
        self.assertIn("https://nowhere.example:443: DNSLookupError", str(error))
