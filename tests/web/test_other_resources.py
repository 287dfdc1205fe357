"""Tests of resources of other people in our site: they find what Twisted promises them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web import server
from twisted.web.resource import Resource

from menderproxy.wire.routes import Route
from tests.web.device import Device, Reply, replies
from tests.web.fakes import FakeAnswer
from tests.web.testcase import API, SiteTestCase

TARGET = b"/elsewhere"


class Other(Resource):
    """Does with a request what a test wants."""

    isLeaf = True

    def __init__(self, answer: Callable[[Any], bytes | int]):
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer

    def render_GET(self, request: Any) -> bytes | int:
        """Answer."""
        return self._answer(request)

    render_POST = render_GET


class OtherTestCase(SiteTestCase):
    """Asks such a resource."""

    def asking(
        self, answer: Callable[[Any], bytes | int], *args: Any, method: bytes = b"GET", **more: Any
    ) -> Device:
        """Let a device ask."""
        self.site = self.site_with({Route.UNKNOWN: Other(answer)})
        device = self.device()
        device.ask(method, *(args or (TARGET,)), **more)
        return device

    def answered(self, answer: Callable[[Any], bytes | int], *args: Any, **more: Any) -> Reply:
        """Give the answer."""
        return self.asking(answer, *args, **more).reply()

    def look(self, look: Callable[[Any], object], *args: Any, **more: Any) -> object:
        """Give what a resource sees."""
        seen: list[object] = []

        def answer(request: Any) -> bytes:
            seen.append(look(request))
            return b""

        self.answered(answer, *args, **more)
        (one,) = seen
        return one


class RequestTests(OtherTestCase):
    """What is asked."""

    def test_headers(self) -> None:
        """Headers are found by name, in any spelling, with their duplicates."""

        def look(request: Any) -> object:
            headers = request.requestHeaders
            return (
                request.getHeader("x-one"),
                request.getHeader(b"X-ONE"),
                headers.getRawHeaders("x-one"),
                headers.hasHeader(b"x-two"),
                request.getAllHeaders()[b"x-one"],
                request.getRequestHostname(),
            )

        self.assertEqual(
            self.look(look, TARGET, (b"X-One", b"1"), (b"x-one", b"2")),
            ("2", b"2", ["1", "2"], False, b"2", b"gateway.example"),
        )

    def test_edited(self) -> None:
        """They may be changed for whoever looks next."""

        def look(request: Any) -> object:
            request.requestHeaders.setRawHeaders(b"x-one", [b"3"])
            request.setHost(b"other.example", 80)
            return request.getHeader(b"x-one"), request.getRequestHostname()

        self.assertEqual(self.look(look, TARGET, (b"X-One", b"1")), (b"3", b"other.example"))

    def test_arguments(self) -> None:
        """The query is taken apart, with duplicates and empty values."""
        args = self.look(lambda request: request.args, TARGET + b"?a=1&a=%32&b=&c+d=e")
        self.assertEqual(args, {b"a": [b"1", b"2"], b"b": [b""], b"c d": [b"e"]})
        self.assertEqual(self.look(lambda request: request.args), {})

    def test_cookies(self) -> None:
        """Cookies are found by name."""
        cookies = ((b"Cookie", b"a=1; b=2; nonsense"), (b"Cookie", b"c=3=4"))
        self.assertEqual(
            self.look(
                lambda request: (request.getCookie(b"a"), request.received_cookies),
                TARGET,
                *cookies,
            ),
            (b"1", {b"a": b"1", b"b": b"2", b"c": b"3=4"}),
        )
        self.assertIsNone(self.look(lambda request: request.getCookie(b"a")))

    def test_body(self) -> None:
        """The body is a file, at its beginning."""
        body = self.look(lambda request: request.content.read(), method=b"POST", body=b"abc")
        self.assertEqual(body, b"abc")

    def test_line(self) -> None:
        """Method, target, path and version are where they always are."""

        def look(request: Any) -> object:
            return request.method, request.uri, request.path, request.clientproto

        self.assertEqual(
            self.look(look, TARGET + b"/%2f?x"),
            (b"GET", TARGET + b"/%2f?x", TARGET + b"/%2f", b"HTTP/1.1"),
        )

    def test_paths(self) -> None:
        """The path leads to the resource, and ends there."""

        def look(request: Any) -> object:
            return (
                request.prepath,
                request.postpath,
                request.childLink(b"d"),
                request.URLPath().path,
            )

        self.assertEqual(self.look(look, b"/a/b%20c"), ([b"a", b"b c"], [], b"b c/d", b"/a/b%20c"))

    def test_who(self) -> None:
        """Both ends of the connection are known."""

        def look(request: Any) -> object:
            return request.getClientAddress().host, request.getHost().host, request.isSecure()

        self.assertEqual(self.look(look), ("192.0.2.7", "10.0.0.1", False))

    def test_session(self) -> None:
        """A session goes on with its cookie."""
        found: list[bytes] = []

        def answer(request: Any) -> bytes:
            found.append(request.getSession().uid)
            return b""

        device = self.asking(answer)
        cookie = device.reply()[b"Set-Cookie"]
        assert cookie is not None
        device.ask(b"GET", TARGET, (b"Cookie", cookie.partition(b";")[0]))
        self.assertEqual(found[0], found[1])
        session: Any = self.site.sessions[found[0]]
        session.expire()


class AnswerTests(OtherTestCase):
    """What is answered."""

    def test_bytes(self) -> None:
        """Bytes are an answer with its length."""
        reply = self.answered(lambda request: b"abc")
        self.assertEqual((reply.status, reply.body, reply[b"Content-Length"]), (200, b"abc", b"3"))

    def test_head(self) -> None:
        """A resource that knows GET knows HEAD."""
        reply = self.asking(lambda request: b"abc", method=b"HEAD").reply(to_head=True)
        self.assertEqual((reply.status, reply[b"Content-Length"]), (200, b"3"))

    def test_method(self) -> None:
        """One that does not know a method says so."""
        self.assertEqual(self.answered(lambda request: b"", method=b"DELETE").status, 501)

    def test_later(self) -> None:
        """An answer may come later, in pieces, and its end is told."""
        asked: list[Any] = []

        def answer(request: Any) -> int:
            asked.append((request, request.notifyFinish()))
            return server.NOT_DONE_YET

        device = self.asking(answer)
        request, finished = asked[0]
        request.setResponseCode(201, b"Made")
        for piece in (b"abc", b"", b"de"):
            request.write(piece)
        self.assertNoResult(finished)
        request.finish()
        self.assertIsNone(self.successResultOf(finished))
        reply = device.reply()
        self.assertEqual((reply.status, reply.body), (201, b"abcde"))
        self.assertEqual(reply[b"Transfer-Encoding"], b"chunked")
        self.assertTrue(device.received.startswith(b"HTTP/1.1 201 Made\r\n"))
        self.assertRaises(RuntimeError, request.write, b"more")

    def test_device_gone(self) -> None:
        """A resource may learn that its device is gone; to write on does nothing."""
        asked: list[Any] = []

        def answer(request: Any) -> int:
            asked.append((request, request.notifyFinish()))
            return server.NOT_DONE_YET

        device = self.asking(answer)
        device.hang_up()
        request, finished = asked[0]
        self.failureResultOf(finished)
        request.write(b"abc")
        self.assertEqual(device.received, b"")
        self.assertRaises(RuntimeError, request.finish)

    def test_validators(self) -> None:
        """Validators and cookies that were set are sent."""

        def answer(request: Any) -> bytes:
            request.setLastModified(1000000000)
            request.setETag(b'"tag"')
            request.addCookie(b"a", b"1")
            request.addCookie(b"b", b"2")
            request.responseHeaders.addRawHeader(b"x-one", b"1")
            request.responseHeaders.addRawHeader(b"x-one", b"2")
            return b"abc"

        reply = self.answered(answer)
        self.assertEqual(reply[b"Last-Modified"], b"Sun, 09 Sep 2001 01:46:40 GMT")
        self.assertEqual(reply[b"ETag"], b'"tag"')
        for name in (b"Set-Cookie", b"X-One"):
            self.assertEqual(len([one for one, _ in reply.headers if one == name]), 2, name)

    def test_not_modified(self) -> None:
        """A resource may find that nothing changed."""

        def answer(request: Any) -> bytes:
            return b"" if request.setETag(b'"tag"') else b"abc"

        reply = self.answered(answer, TARGET, (b"If-None-Match", b'"tag"'))
        self.assertEqual((reply.status, reply.body), (304, b""))

    def test_own_date(self) -> None:
        """A date that was set is the only one."""

        def answer(request: Any) -> bytes:
            request.setHeader(b"date", b"today")
            return b""

        self.assertEqual(self.answered(answer)[b"Date"], b"today")

    def test_header_injection(self) -> None:
        """No header can hold another one."""

        def answer(request: Any) -> bytes:
            request.setHeader(b"x-one", b"1\r\nX-Two: 2")
            return b""

        self.assertEqual(self.answered(answer)[b"X-One"], b"1 X-Two: 2")

    def test_raises(self) -> None:
        """One that fails has its connection cut, and nobody else's request suffers."""

        def answer(request: Any) -> bytes:
            raise ZeroDivisionError

        device = self.asking(answer)
        self.assertTrue(device.cut)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_raises_behind_another(self) -> None:
        """The same behind a request that took its time."""

        def fail(request: Any) -> bytes:
            raise ZeroDivisionError

        self.site = self.site_with({**self.resources(), Route.ALIVE: Other(fail)})
        device = self.device()
        device.ask(b"GET", API)
        device.ask(b"GET", b"/api/internal/v1/gateway/alive")
        self.agent.asked[0].answer(FakeAnswer(204, length=0)).end()
        self.assertEqual([reply.status for reply in replies(device.received)], [204])
        self.assertTrue(device.cut)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
