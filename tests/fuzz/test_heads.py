"""Requests of devices, and answers of servers and proxies, as bytes on a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.agent import Answer
from menderproxy.upstream.errors import UpstreamError
from menderproxy.upstream.proxies import (
    MAX_PROXY_ANSWER,
    ConnectTunnel,
    ProxyRefused,
    ProxyServer,
)
from menderproxy.wire.header_block import LIMIT, fit
from menderproxy.wire.headers import CONTROL, returned_response_headers
from tests.fuzz.material import mutated, pieces, plenty
from tests.network import Network
from tests.security.differential.grammar import case
from tests.security.differential.reading import read_all
from tests.upstream.testcase import AgentTestCase
from tests.web.fakes import FakeAnswer
from tests.web.testcase import API, SiteTestCase

REQUESTS = (
    b"GET %b HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer x\r\n\r\n" % API,
    b"PUT %b HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n[]GET / HTTP/1.1\r\n" % API,
    b"PUT %b HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n" % API,
    b"HEAD %b HTTP/1.0\r\nExpect: 100-continue\r\nConnection: close, x\r\n\r\n" % API,
)
ANSWERS = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: "x"\r\nConnection: x\r\nX: y\r\n\r\nabc',
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nuntil the end",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
)
PROXY_ANSWERS = (
    b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\nhello",
    b"HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
)
LONGEST_ANSWER = 4096
"""Bytes of all that we answer by ourselves to a connection of a fuzzer."""


class RequestTests(SiteTestCase):
    """Requests to the gateway."""

    def check(self, sent: list[bytes]) -> None:
        """
        Send bytes: what goes on is what a strict reader reads, and nothing is left behind.

        The connection is gone in the end, be it by us or by the device.
        """
        self.setUp()
        device = self.device()
        for piece in sent:
            device.send(piece)
        for asked in self.agent.asked:
            # Behind each answer the next request of the pipeline may come.
            asked.answer(FakeAnswer(204, length=0)).end()
        self.assertLess(len(device.received), LONGEST_ANSWER)
        self.assertTrue(device.received.startswith(b"HTTP/1.") or not device.received)
        device.hang_up()
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual((len(self.site.channels), self.clock.getDelayedCalls()), (0, []))
        readings = iter(read_all(b"".join(sent)))
        for asked in self.agent.asked:
            wanted = (asked.method, asked.target, asked.body or b"")
            self.assertTrue(
                any((each.method, each.target, each.body) == wanted for each in readings), wanted
            )

    @plenty
    @given(pieces(mutated(REQUESTS) | st.binary(max_size=60)))
    def test_any(self, sent: list[bytes]) -> None:
        """Any bytes."""
        self.check(sent)

    @plenty
    @given(st.integers(0, 10**9))
    def test_odd(self, number: int) -> None:
        """Requests of which each part may be odd, several on one connection."""
        self.check(list(case(number, 0).pieces))


class _Sink:
    """Takes a body."""

    def __init__(self) -> None:
        self.size = 0
        self.ends = 0

    def body_data(self, data: bytes) -> None:
        self.size += len(data)

    def body_ended(self, *, certain: bool) -> None:
        self.ends += 1

    def body_broken(self, reason: Exception) -> None:
        assert isinstance(reason, UpstreamError), reason
        self.ends += 1


class AnswerTests(AgentTestCase):
    """Answers of servers and of stores."""

    def check(self, sent: list[bytes], *, method: bytes = b"GET") -> None:
        """Answer a request: it fails in a line, or there is a head that fits and a body."""
        self.network = Network()
        self.agent = self.agent_on(self.network)
        asked = self.ask(method)
        line = self.network.accept()
        for piece in sent:
            line.send(piece)
        sink = _Sink()
        result: list[Answer | Failure] = []
        asked.addBoth(result.append)
        if result and not isinstance(result[0], Failure):
            result[0].deliver(sink)
        line.hang_up()
        self.network.advance(0)
        [outcome] = result
        if isinstance(outcome, Failure):
            outcome.trap(UpstreamError)
            self.assertTrue(outcome.getErrorMessage().isprintable(), outcome.getErrorMessage())
            self.assertLess(len(outcome.getErrorMessage()), 400)
        else:
            self.check_head(outcome)
            self.assertLessEqual(sink.size, sum(map(len, sent)))
        self.assertEqual(self.flushLoggedErrors(), [])
        asked.addErrback(lambda _: None)

    def check_head(self, answer: Answer) -> None:
        """Assert that what goes on to a device is harmless and not too long."""
        try:
            kept, _ = fit(returned_response_headers(answer.headers))
        except ValueError:
            return
        block = b"".join(b"%b: %b\r\n" % header for header in kept)
        self.assertLessEqual(len(block), LIMIT)
        self.assertIsNone(CONTROL.search(block.replace(b"\r\n", b"")), block)

    @plenty
    @given(pieces(mutated(ANSWERS) | st.binary(max_size=60)), st.sampled_from((b"GET", b"HEAD")))
    def test_any(self, sent: list[bytes], method: bytes) -> None:
        """Any bytes."""
        self.check(sent, method=method)


class _Behind(Protocol):
    """Takes what comes through a tunnel."""

    data = b""

    def dataReceived(self, data: bytes) -> None:
        self.data += data


class ProxyTests(SynchronousTestCase):
    """Answers of proxies to CONNECT."""

    def check(self, sent: list[bytes]) -> None:
        """Ask for a tunnel: it stands, or the reason why not is one short line."""
        network = Network()
        behind = _Behind()
        server = ProxyServer("proxy.example", 3128)
        endpoint = TCP4ClientEndpoint(network, "192.0.2.1", 3128)
        opened: Deferred[IProtocol] = ConnectTunnel(
            endpoint, server, "mender.example", 443
        ).connect(Factory.forProtocol(lambda: behind))
        line = network.accept()
        for piece in sent:
            line.send(piece)
        line.hang_up()
        network.advance(0)
        result: list[object] = []
        opened.addBoth(result.append)
        [outcome] = result
        if isinstance(outcome, Failure):
            if outcome.check(ProxyRefused):
                message = outcome.getErrorMessage()
                self.assertTrue(message.isprintable() and len(message) < 600, message)
            self.assertEqual(behind.data, b"")
        else:
            self.assertTrue(b"".join(sent).endswith(behind.data))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_control_bytes(self) -> None:
        """What a proxy says is repeated without what could move a cursor or end a line."""
        self.check([b"HTTP/1.1 403 \x1b[2J\nno\r\n\r\n"])

    @plenty
    @given(pieces(mutated(PROXY_ANSWERS) | st.binary(max_size=60)))
    def test_any(self, sent: list[bytes]) -> None:
        """Any bytes."""
        self.check(sent)

    @plenty
    @given(
        pieces(st.sampled_from((b"", b"HTTP/1.1 200 ")).map(lambda begin: begin + b"x" * 20_000))
    )
    def test_endless(self, sent: list[bytes]) -> None:
        """Bytes without an end of the head."""
        self.assertGreater(sum(map(len, sent)), MAX_PROXY_ANSWER)
        self.check(sent)
