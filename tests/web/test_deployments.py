"""Tests of deployment instructions on their way to a device."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping

from twisted.web.resource import IResource

from menderproxy.upstream.errors import UpstreamUnavailable
from menderproxy.web.deployments import MAX_INSTRUCTIONS, DeploymentsProxy
from menderproxy.web.relink import Relinker
from menderproxy.wire.deployment import rewrite_download_link, rewrite_instructions
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.routes import Route
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist
from tests.web.device import Device, Reply
from tests.web.fakes import FakeAnswer
from tests.web.testcase import SiteTestCase

NEXT = b"/api/devices/v2/deployments/device/deployments/next"
NEXT_1 = b"/api/devices/v1/deployments/device/deployments/next"
ARTIFACT_LINK = b"/api/devices/v1/deployments/artifacts/7/download"
STORE = "https://store.example/bucket/one?X-Amz-Signature=abc"
# As the server writes it: HTML-safe, with keys that we know nothing of.
INSTRUCTIONS = (
    b'{"id":"d1","artifact":{"artifact_name":"release-2","source":{"uri":'
    b'"https://store.example/bucket/one?a=b\\u0026X-Amz-Signature=abc","expire":"2030"},'
    b'"device_types_compatible":["qemu"]},"unknown": [1.0e2, null]}\n'
)


class DeploymentTestCase(SiteTestCase):
    """Polls, and is answered."""

    def resources(self) -> Mapping[Route, IResource]:
        """Rewrite links to one store."""
        self.seen: list[StoreURL] = []
        self.signer = LinkSigner("https://gateway.example", b"s" * 16, 1800)
        self.relinker = Relinker(
            self.signer,
            Whitelist.parse(["store.example"]),
            now=lambda: 1_700_000_000,
            seen=self.seen.append,
        )
        return {
            route: DeploymentsProxy(self.clock, self.agent.server, 300, self.relinker, rewrite)
            for route, rewrite in (
                (Route.NEXT_DEPLOYMENT, rewrite_instructions),
                (Route.ARTIFACT_LINK, rewrite_download_link),
            )
        }

    def polling(
        self,
        answer: FakeAnswer,
        method: bytes = b"POST",
        target: bytes = NEXT,
        version: bytes = b"HTTP/1.1",
    ) -> Device:
        """Let a device poll and the head of the answer come."""
        device = self.device()
        device.ask(method, target, (b"Accept-Encoding", b"gzip"), version=version)
        self.agent.asked[-1].answer(answer)
        return device

    def polled(
        self, answer: FakeAnswer, body: bytes, method: bytes = b"POST", target: bytes = NEXT
    ) -> Reply:
        """Answer a poll, and give what the device makes of it."""
        device = self.polling(answer, method, target)
        for start in range(0, len(body), 50_000):
            answer.send(body[start : start + 50_000])
        answer.end()
        device.hang_up()
        return device.reply(to_head=method == b"HEAD")

    def store_link(self, uri: str) -> str:
        """Read one of our links."""
        target = uri.removeprefix("https://gateway.example").encode()
        return str(self.signer.verify(target).url)


class RewrittenTests(DeploymentTestCase):
    """Answers that hold a link."""

    def test_every_poll(self) -> None:
        """Each of the calls for instructions gets our link, with a right length."""
        for method, target in (
            (b"POST", NEXT),
            (b"POST", NEXT_1),
            (b"GET", NEXT_1 + b"?artifact_name=a&device_type=b"),
        ):
            answer = FakeAnswer(200, (b"ETag", b"x"), length=len(INSTRUCTIONS))
            reply = self.polled(answer, INSTRUCTIONS, method, target)
            asked = self.agent.asked[-1]
            self.assertEqual((asked.method, asked.target), (method, target))
            document = json.loads(reply.body)
            self.assertEqual(
                self.store_link(document["artifact"]["source"]["uri"]),
                "https://store.example/bucket/one?a=b&X-Amz-Signature=abc",
            )
            self.assertEqual(reply[b"Content-Length"], b"%d" % len(reply.body))
            self.assertIsNone(reply[b"ETag"])
            start, _, rest = INSTRUCTIONS.partition(b'"https')
            self.assertTrue(reply.body.startswith(start))
            self.assertTrue(reply.body.endswith(rest.partition(b'abc"')[2]))

    def test_artifact_link(self) -> None:
        """So does the call for one artifact's link."""
        body = json.dumps({"uri": STORE, "expire": "2030"}).encode()
        reply = self.polled(FakeAnswer(200, length=len(body)), body, b"GET", ARTIFACT_LINK)
        self.assertEqual(self.store_link(json.loads(reply.body)["uri"]), STORE)

    def test_seen(self) -> None:
        """The store's link is made known, with its query: the newest is the one to use."""
        self.polled(FakeAnswer(200), INSTRUCTIONS)
        self.assertEqual([url.target for url in self.seen], ["/bucket/one?a=b&X-Amz-Signature=abc"])

    def test_identity(self) -> None:
        """The upstream is asked for an answer that we can read."""
        self.polled(FakeAnswer(204, length=0), b"")
        self.assertEqual(self.agent.asked[0].values(b"accept-encoding"), [b"identity"])

    def test_compressed(self) -> None:
        """An answer that is compressed all the same is rewritten, and not compressed again."""
        for encoding in (b"gzip", b"x-gzip", b" GZIP"):
            answer = FakeAnswer(200, (b"Content-Encoding", encoding))
            reply = self.polled(answer, gzip.compress(INSTRUCTIONS))
            self.assertIsNone(reply[b"Content-Encoding"])
            self.assertIn(b"https://gateway.example/artifacts/", reply.body)

    def test_configuration(self) -> None:
        """A configuration artifact's link leads to the gateway, its signed part untouched."""
        path = "/api/devices/v1/deployments/download/configuration/d/t%2fx/i?e=1%3A2&s=a+b"
        body = json.dumps({"artifact": {"source": {"uri": "https://m.example" + path}}}).encode()
        reply = self.polled(FakeAnswer(200, length=len(body)), body)
        uri = json.loads(reply.body)["artifact"]["source"]["uri"]
        self.assertEqual(uri, "https://gateway.example" + path)

    def test_old_version(self) -> None:
        """A device with HTTP/1.0 gets it with its length as well."""
        answer = FakeAnswer(200)
        device = self.polling(answer, version=b"HTTP/1.0")
        answer.send(INSTRUCTIONS)
        answer.end()
        self.assertIn(b"https://gateway.example/artifacts/", device.reply().body)


class PassedOnTests(DeploymentTestCase):
    """Everything else comes as the server sent it."""

    def assert_unchanged(self, body: bytes, *headers: tuple[bytes, bytes], code: int = 200) -> None:
        """Both with and without a known length."""
        for length in (len(body), None):
            reply = self.polled(FakeAnswer(code, *headers, (b"ETag", b"x"), length=length), body)
            self.assertEqual((reply.status, reply.body, reply[b"ETag"]), (code, body, b"x"))
            for name, value in headers:
                self.assertEqual(reply[name], value)

    def test_not_understood(self) -> None:
        """No JSON, other JSON, and what breaks a parser is passed on byte for byte."""
        for body in (
            b"",
            b"not json",
            b"[]",
            b"null",
            b'"uri"',
            b'{"artifact": {"source": {"uri": 5}}}',
            b'{"artifact": {"source": ["uri"]}}',
            INSTRUCTIONS[:-10],
            INSTRUCTIONS + b"x",
            b"\xff" + INSTRUCTIONS,
            b"[" * 100_000,
        ):
            self.assert_unchanged(body)

    def test_unlisted(self) -> None:
        """A link to a store that is not allowed stays, for devices with a way there."""
        self.assert_unchanged(INSTRUCTIONS.replace(b"store.example", b"other.example"))
        self.assertEqual(self.relinker.unlisted, 2)

    def test_other_statuses(self) -> None:
        """Only status 200 holds instructions."""
        for code in (201, 400, 401, 404, 409, 429, 500, 503):
            self.assert_unchanged(INSTRUCTIONS, (b"Retry-After", b"7"), code=code)

    def test_no_deployment(self) -> None:
        """The usual answer: nothing to do."""
        reply = self.polled(FakeAnswer(204, length=0), b"")
        self.assertEqual((reply.status, reply.names), (204, {b"date"}))

    def test_head(self) -> None:
        """HEAD has no body to be rewritten."""
        answer = FakeAnswer(200, (b"Content-Length", b"99"), length=0)
        reply = self.polled(answer, b"", b"HEAD")
        self.assertEqual((reply.status, reply[b"Content-Length"]), (200, b"99"))

    def test_unknown_encoding(self) -> None:
        """An encoding that we can't read, or that turns out broken, stays."""
        packed = gzip.compress(INSTRUCTIONS)
        self.assert_unchanged(packed, (b"Content-Encoding", b"br"))
        for broken in (b"", packed[:-5], packed + b"x", b"x" + packed, INSTRUCTIONS):
            self.assert_unchanged(broken, (b"Content-Encoding", b"gzip"))

    def test_bomb(self) -> None:
        """What would unpack to very much is not unpacked."""
        bomb = gzip.compress(INSTRUCTIONS[:-2] + b" " * 2 * MAX_INSTRUCTIONS + b"}")
        self.assert_unchanged(bomb, (b"Content-Encoding", b"gzip"))

    def test_huge(self) -> None:
        """What is too long for instructions flows through as it comes."""
        for length in (2 * MAX_INSTRUCTIONS, None):
            answer = FakeAnswer(200, length=length)
            device = self.polling(answer)
            answer.send(b"x" * MAX_INSTRUCTIONS)
            self.assertEqual(device.received, b"")
            answer.send(b"y")
            self.assertIn(b"y", device.received)
            self.assertFalse(answer.paused)
            answer.send(b"z" * (MAX_INSTRUCTIONS - 1))
            answer.end()
            self.assertEqual(len(device.reply().body), 2 * MAX_INSTRUCTIONS)
            device.hang_up()

    def test_huge_with_old_version(self) -> None:
        """To a device with HTTP/1.0 only with a known length."""
        for length, status in ((MAX_INSTRUCTIONS + 1, 200), (None, 502)):
            answer = FakeAnswer(200, length=length)
            device = self.polling(answer, version=b"HTTP/1.0")
            answer.send(b"x" * (MAX_INSTRUCTIONS + 1))
            answer.end()
            self.assertEqual(device.reply().status, status)
            self.assertEqual(answer.aborted, length is None)
            device.hang_up()

    def test_redirect(self) -> None:
        """A redirect is no answer for a device."""
        self.assertEqual(self.polled(FakeAnswer(302, length=0), b"").status, 502)


class BrokenTests(DeploymentTestCase):
    """Polls that come to nothing."""

    def test_broken(self) -> None:
        """An answer that breaks off is an error, as nothing of it has been passed on."""
        answer = FakeAnswer(200, length=100)
        device = self.polling(answer)
        answer.send(INSTRUCTIONS[:50])
        answer.break_off(UpstreamUnavailable("cut"))
        self.assertEqual(device.reply().status, 502)

    def test_gone(self) -> None:
        """A device that goes away meanwhile drops the upstream."""
        answer = FakeAnswer(200, length=100)
        device = self.polling(answer)
        answer.send(INSTRUCTIONS[:50])
        device.hang_up()
        self.assertTrue(answer.aborted)
