"""Artifacts come from whitelisted stores only, and stores learn nothing of devices."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.agent import Agent
from menderproxy.upstream.connector import Connector
from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.upstream.stores import NotWhitelisted, StoreAnswer, Stores
from menderproxy.upstream.tls import TrustRoots
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist
from tests.network import Line, Network
from tests.upstream.sink import Sink

QUERY = "X-Amz-Expires=900&X-Amz-Signature=s3cret"
LINK = f"http://bucket.s3.example/tenant/artifact?{QUERY}"


class StoresTestCase(SynchronousTestCase):
    """Has stores of which two are allowed."""

    def setUp(self) -> None:
        """Make them."""
        self.network = Network()
        agent = Agent(self.network, Connector(self.network, trust=TrustRoots(system=False)))
        self.stores = Stores(agent, Whitelist.parse(["s3.example", "mirror.example:9000"]))

    def fetch(self, link: str = LINK, range_header: bytes | None = None) -> Deferred[StoreAnswer]:
        """Fetch an artifact."""
        return Deferred.fromCoroutine(self.stores.fetch(StoreURL.parse(link), range_header))

    def redirect(self, location: str, status: int = 302) -> Line:
        """Let the store that is asked now point elsewhere."""
        line = self.network.accept()
        head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 3\r\n\r\n"
        line.send(head.encode())
        return line

    def assert_fails(
        self, fetching: Deferred[StoreAnswer], kind: type[Exception], *words: str
    ) -> None:
        """Assert that a fetch failed, with an error that says some words and no secret."""
        error = str(self.failureResultOf(fetching, kind).value)
        for word in words:
            self.assertIn(word, error)
        self.assertNotIn("s3cret", error)


class RequestTests(StoresTestCase):
    """What a store is asked."""

    def test_nothing_of_the_device(self) -> None:
        """A request holds the signed target and what every client sends, and no more."""
        self.fetch()
        self.assertEqual(
            sorted(self.network.accept().received().split(b"\r\n")),
            sorted(
                [
                    f"GET /tenant/artifact?{QUERY} HTTP/1.1".encode(),
                    b"Host: bucket.s3.example",
                    b"User-Agent: menderproxy",
                    b"Accept-Encoding: identity",
                    b"",
                    b"",
                ]
            ),
        )

    def test_range(self) -> None:
        """A part is asked for by Range."""
        self.fetch(range_header=b"bytes=100-")
        self.assertIn(b"\r\nRange: bytes=100-\r\n", self.network.accept().received())

    def test_authority(self) -> None:
        """The Host header is written as the link writes it: its signature covers that."""
        self.fetch("http://Mirror.example:9000/a")
        line = self.network.accept()
        self.assertEqual(line.peer[1], 9000)
        self.assertIn(b"\r\nHost: Mirror.example:9000\r\n", line.received())

    def test_not_whitelisted(self) -> None:
        """A store that is not on the list is not even connected to."""
        for link in (
            f"http://s3.example.evil.example/a?{QUERY}",
            f"http://mirror.example:9001/a?{QUERY}",
        ):
            self.assert_fails(self.fetch(link), NotWhitelisted, "not on the whitelist")
        self.assertEqual(self.network.dialled, [])


class AnswerTests(StoresTestCase):
    """What a store answers."""

    def test_an_artifact(self) -> None:
        """The head is parsed, the body is there to be delivered."""
        fetching = self.fetch()
        self.network.accept().send(b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: "x"\r\n\r\nabc')
        answer = self.successResultOf(fetching)
        self.assertEqual((answer.remote.length, answer.remote.etag), (3, '"x"'))
        sink = Sink()
        answer.body.deliver(sink)
        self.network.advance(0)
        self.assertEqual((sink.data, sink.ending), (b"abc", ["certain"]))

    def test_a_refusal(self) -> None:
        """An error status is an answer: whoever asked has to decide."""
        fetching = self.fetch()
        self.network.accept().send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\n")
        self.assertEqual(self.successResultOf(fetching).remote.status, 403)

    def test_an_unusable_answer(self) -> None:
        """An answer that is not the artifact's bytes is refused, and its connection cut."""
        fetching = self.fetch()
        line = self.network.accept()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n")
        self.assert_fails(fetching, UpstreamUnavailable, "bucket.s3.example/tenant/artifact")
        self.assertTrue(line.aborted)

    def test_no_connection(self) -> None:
        """A store that can't be reached is named, without the query."""
        fetching = self.fetch()
        self.network.refuse()
        self.network.advance(1)
        self.assert_fails(fetching, UpstreamUnavailable, "http://bucket.s3.example:80")


class RedirectTests(StoresTestCase):
    """A store may point elsewhere, within the whitelist."""

    def asked(self) -> tuple[bytes, bytes]:
        """Give target and host of the request that a redirect led to."""
        lines = self.network.accept().received().split(b"\r\n")
        [host] = [line for line in lines if line.startswith(b"Host: ")]
        return lines[0].split(b" ")[1], host.removeprefix(b"Host: ")

    def test_followed(self) -> None:
        """A redirect is followed by whatever status it comes, and its connection is cut."""
        for status in (301, 302, 303, 307, 308):
            self.fetch(range_header=b"bytes=5-")
            line = self.redirect("http://mirror.example:9000/b?signature=2", status)
            self.assertTrue(line.aborted)
            request = self.network.accept().received()
            self.assertTrue(request.startswith(b"GET /b?signature=2 HTTP/1.1\r\n"))
            self.assertIn(b"\r\nHost: mirror.example:9000\r\n", request)
            self.assertIn(b"\r\nRange: bytes=5-\r\n", request)

    def test_targets_are_exact(self) -> None:
        """Where a redirect leads is not rewritten on the way: it is signed as it is."""
        for target in ("/b?", "/b;", "//b", "/b/../c", "/b%2f?a=%2B|", "/?a/../b"):
            self.fetch()
            self.redirect(f"http://mirror.example:9000{target}")
            self.assertEqual(self.asked(), (target.encode(), b"mirror.example:9000"))

    def test_relative(self) -> None:
        """A Location without a host stays at the store, one without a slash beside the link."""
        for location, target in (
            ("/b?", b"/b?"),
            ("/b/../c;", b"/b/../c;"),
            ("b?c", b"/tenant/b?c"),
            ("?c", b"/tenant/artifact?c"),
            ("../b", b"/b"),
        ):
            self.fetch()
            self.redirect(location)
            self.assertEqual(self.asked(), (target, b"bucket.s3.example"))

    def test_other_host_without_a_scheme(self) -> None:
        """Two slashes lead to another host, which is checked like any other."""
        self.fetch()
        self.redirect("//mirror.example:9000/b")
        self.assertEqual(self.asked(), (b"/b", b"mirror.example:9000"))
        fetching = self.fetch()
        self.redirect("//evil.example/b")
        self.assert_fails(fetching, NotWhitelisted, "evil.example")

    def test_fragment(self) -> None:
        """A fragment is not sent."""
        self.fetch()
        self.redirect("http://mirror.example:9000/b?c#d")
        self.assertEqual(self.asked()[0], b"/b?c")

    def test_out_of_the_whitelist(self) -> None:
        """A redirect to a host that is not on the list is not followed."""
        fetching = self.fetch()
        self.redirect(f"http://169.254.169.254/latest/meta-data?{QUERY}")
        self.assert_fails(fetching, NotWhitelisted, "169.254.169.254: not on the whitelist")
        self.assertEqual(self.network.dialled, [])

    def test_three(self) -> None:
        """Three redirects are followed, a fourth is not."""
        fetching = self.fetch()
        for _ in range(3):
            self.redirect("/again")
        self.assertNoResult(fetching)
        self.redirect(f"/again?{QUERY}")
        self.assert_fails(fetching, UpstreamUnavailable, "more than 3 redirects")
        self.assertEqual(self.network.dialled, [])

    def test_nowhere(self) -> None:
        """A redirect that leads nowhere is an unusable answer."""
        for location in ("", "ftp://mirror.example/b", f"http://mirror.example:x/?{QUERY}", "\xe9"):
            fetching = self.fetch()
            line = self.redirect(location)
            self.assert_fails(fetching, UpstreamUnavailable, "bad redirect")
            self.assertTrue(line.aborted)

    def test_without_location(self) -> None:
        """So is one that does not say where it leads."""
        fetching = self.fetch()
        self.network.accept().send(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
        self.assert_fails(fetching, UpstreamUnavailable, "bad redirect: no Location")
