"""Tests of the gateway's own answers, and of what becomes of work that fails."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.resource import Resource

from menderproxy.upstream.errors import BadRequestTarget, UpstreamTimeout, UpstreamUnavailable
from menderproxy.web.answers import answer_error, answer_later
from menderproxy.web.outflow import DeviceStalled
from menderproxy.wire.routes import Route
from tests.web.device import Device
from tests.web.testcase import API, SiteTestCase


class Working(Resource):
    """Answers with a coroutine."""

    isLeaf = True

    def __init__(self, work: Callable[[Any], Coroutine[Any, Any, None]]):
        super().__init__()  # type: ignore[no-untyped-call]
        self._work = work

    def render(self, request: Any) -> int:
        """Start the work."""
        return answer_later(request, self._work(request))


class WorkTestCase(SiteTestCase):
    """Has a resource whose work ends as the test says."""

    def setUp(self) -> None:
        """Log into a list."""
        super().setUp()
        self.lines = self.watch_log()
        self.work: Deferred[None] = Deferred()

    async def answer(self, request: Any) -> None:
        """Wait for the test."""
        await self.work

    async def answer_half(self, request: Any) -> None:
        """Wait for the test with half an answer."""
        request.setHeader(b"content-length", b"10")
        request.write(b"half")
        await self.work

    def asking(self, work: Callable[[Any], Coroutine[Any, Any, None]]) -> Device:
        """Let a device ask for work."""
        self.site = self.site_with({Route.INVENTORY: Working(work)})
        device = self.device()
        device.ask(b"GET", API)
        return device


class FailureTests(WorkTestCase):
    """Work that fails."""

    def test_statuses(self) -> None:
        """Before the first byte each kind of failure has its own status, as JSON."""
        for error, status in (
            (BadRequestTarget("secret"), 400),
            (UpstreamTimeout("secret"), 504),
            (UpstreamUnavailable("secret"), 502),
            (ZeroDivisionError("secret"), 500),
        ):
            self.work = Deferred()
            device = self.asking(self.answer)
            self.work.errback(error)
            reply = device.reply()
            self.assertEqual(reply.status, status)
            self.assertEqual(reply[b"Content-Type"], b"application/json")
            self.assertTrue(reply.body.startswith(b'{"error": "'), reply.body)
            self.assertNotIn(b"secret", reply.body)
            self.assertFalse(device.closed or device.cut)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_half_way(self) -> None:
        """After it there is only a broken connection."""
        for error in (UpstreamUnavailable(""), ZeroDivisionError(), DeviceStalled()):
            self.work = Deferred()
            device = self.asking(self.answer_half)
            self.work.errback(error)
            self.assertTrue(device.cut)
            self.assertTrue(device.received.endswith(b"\r\n\r\nhalf"))
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_cancelled(self) -> None:
        """Work that is given up leaves no connection behind that waits for an answer."""
        device = self.asking(self.answer)
        self.work.cancel()
        self.assertTrue(device.cut)

    def test_leftovers(self) -> None:
        """An error has none of the headers that another answer was to have."""

        async def change_mind(request: Any) -> None:
            for header in (b"etag", b"content-encoding", b"content-range", b"set-cookie"):
                request.setHeader(header, b"x")
            raise UpstreamUnavailable("after all")

        device = self.asking(change_mind)
        self.assertEqual(device.reply().names, {b"date", b"content-type", b"content-length"})

    def test_error_with_headers(self) -> None:
        """An error may have headers of its own, and has no body for HEAD."""

        async def refuse(request: Any) -> None:
            answer_error(request, 405, "no", allow=b"GET", retry_after=b"7")

        device = self.asking(refuse)
        reply = device.reply()
        self.assertEqual((reply[b"Allow"], reply[b"Retry-After"]), (b"GET", b"7"))
        device = self.asking(refuse)
        device.forget_received()
        device.ask(b"HEAD", API)
        self.assertEqual(device.reply(to_head=True)[b"Content-Length"], b"15")


class GoneTests(WorkTestCase):
    """Devices that go away."""

    def test_cancels(self) -> None:
        """The work for a device that went away is given up, in silence."""
        for work in (self.answer, self.answer_half):
            cancelled: list[object] = []
            self.work = Deferred(cancelled.append)
            device = self.asking(work)
            device.hang_up()
            self.assertEqual(len(cancelled), 1)
        self.assertEqual(len(self.lines), 2, self.lines)

    def test_fails_afterwards(self) -> None:
        """What goes wrong then is nobody's answer, but a bug is still logged."""

        async def stumble(request: Any) -> None:
            try:
                await self.work
            finally:
                raise ZeroDivisionError

        device = self.asking(stumble)
        device.hang_up()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(device.received, b"")

    def test_fails_when_finished(self) -> None:
        """The same when the answer had already ended."""

        async def stumble(request: Any) -> None:
            request.setHeader(b"content-length", b"0")
            request.finish()
            raise ZeroDivisionError

        device = self.asking(stumble)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(device.reply().status, 200)
        self.assertFalse(device.cut)
