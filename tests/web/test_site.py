"""Tests of the site: which resource gets a request, how many connections, and the drain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web import http, server
from twisted.web.resource import IResource, Resource

from menderproxy.web.channel import GatewayChannel
from menderproxy.web.health import Probe
from menderproxy.wire.routes import Route
from tests.web.device import Device
from tests.web.fakes import FakeAnswer
from tests.web.testcase import API, LIMITS, SiteTestCase


class Named(Resource):
    """Answers with a name."""

    isLeaf = True

    def __init__(self, name: bytes):
        super().__init__()  # type: ignore[no-untyped-call]
        self._name = name

    def render(self, request: Any) -> int:
        """Answer anything."""
        request.setHeader(b"content-length", b"%d" % len(self._name))
        request.write(self._name)
        request.finish()
        return server.NOT_DONE_YET


class RoutingTests(SiteTestCase):
    """Who answers."""

    def test_routes(self) -> None:
        """Each route goes to its own resource, told by the raw path alone."""
        self.site = self.site_with({route: Named(route.value.encode()) for route in Route})
        for target, route in (
            (b"/api/internal/v1/gateway/alive", Route.ALIVE),
            (b"/api/internal/v1/gateway/ready", Route.READY),
            (b"/artifacts/abc/name?signature=x", Route.ARTIFACT),
            (b"/api/devices/v2/deployments/device/deployments/next", Route.NEXT_DEPLOYMENT),
            (b"/api/devices/v1/deployments/artifacts/7/download", Route.ARTIFACT_LINK),
            (b"/api/devices/v1/inventory/device/attributes?x=/artifacts/", Route.INVENTORY),
            (b"/api/devices/v9/what/ever", Route.DEVICE_API),
            (b"/api/devices%2fv1/x", Route.UNKNOWN),
            (b"/api/management/v1/x", Route.UNKNOWN),
        ):
            device = self.device()
            device.ask(b"GET", target)
            self.assertEqual(device.reply().body.decode(), route.value, target)
            device.hang_up()

    def test_not_found(self) -> None:
        """What is no route of ours gets a 404 from us, and nothing reaches the upstream."""
        for target in (
            b"/",
            b"/api/management/v1/inventory/devices",
            b"/api/internal/v1/x",
            b"//api/devices/v1/x",
            b"/API/devices/v1/x",
            b"/api/devices",
            b"/artifacts/abc/name",
        ):
            device = self.device()
            device.ask(b"POST", target, body=b"{}")
            reply = device.reply()
            self.assertEqual((reply.status, reply.body), (404, b'{"error": "not found"}'), target)
            self.assertEqual(reply[b"Content-Type"], b"application/json")
            self.assertFalse(device.closed)
            device.hang_up()
        self.assertEqual(self.agent.asked, [])

    def test_anonymous(self) -> None:
        """No answer of ours names the software that gives it."""
        device = self.device()
        device.ask(b"GET", b"/nothing")
        self.assertEqual(device.reply().names, {b"date", b"content-type", b"content-length"})

    def test_only_http_1(self) -> None:
        """HTTP/2 is never offered, whatever is installed."""
        for installed in (False, True):
            self.patch(http, "H2_ENABLED", installed)
            self.assertEqual(self.site.acceptableProtocols(), [b"http/1.1"])
            self.assertIsInstance(self.site.buildProtocol(None), GatewayChannel)


class ConnectionLimitTests(SiteTestCase):
    """More connections than the limit."""

    def test_surplus(self) -> None:
        """A connection above the limit is cut at once; another one's end makes room."""
        devices = [self.device() for _ in range(LIMITS.max_connections)]
        self.assertEqual([device.cut for device in devices], [False] * len(devices))
        surplus = self.device()
        self.assertTrue(surplus.cut)
        devices[0].hang_up()
        self.assertFalse(self.device().cut)


class DrainTests(SiteTestCase):
    """The end of the gateway, as its devices see it."""

    def resources(self) -> Mapping[Route, IResource]:
        """Add the probe that says so."""
        return {**super().resources(), Route.READY: Probe(lambda: False)}

    def drain(self, seconds: float = 20) -> Deferred[None]:
        """Start to drain."""
        return Deferred.fromCoroutine(self.site.drain(seconds))

    def busy_device(self) -> Device:
        """Let a device wait for an answer."""
        device = self.device()
        device.ask(b"GET", API)
        return device

    def test_idle(self) -> None:
        """Connections between two requests are closed at once."""
        device = self.device()
        device.ask(b"GET", b"/")
        draining = self.drain()
        self.assertTrue(device.closed)
        self.assertNoResult(draining)
        device.hang_up()
        self.successResultOf(draining)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody(self) -> None:
        """Without connections there is nothing to wait for."""
        self.successResultOf(self.drain())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_busy(self) -> None:
        """A request in progress is answered in full, with the word that this was the last."""
        device = self.busy_device()
        draining = self.drain()
        self.assertFalse(device.closed)
        answer = self.agent.asked[0].answer(FakeAnswer(200, length=4))
        answer.send(b"done")
        answer.end()
        reply = device.reply()
        self.assertEqual((reply.body, reply[b"Connection"]), (b"done", b"close"))
        self.assertTrue(device.closed)
        device.hang_up()
        self.successResultOf(draining)

    def test_half_way(self) -> None:
        """An answer whose head is out is still given to its end, and then closed."""
        device = self.busy_device()
        answer = self.agent.asked[0].answer(FakeAnswer(200, length=4))
        answer.send(b"do")
        self.drain()
        answer.send(b"ne")
        answer.end()
        self.assertEqual(device.reply().body, b"done")
        self.assertTrue(device.closed)

    def test_half_request(self) -> None:
        """A request that is half here is waited for, and is the last one."""
        device = self.device()
        device.send(b"PUT %b HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n" % API)
        self.drain()
        self.assertFalse(device.closed)
        device.send(b"\r\n[]")
        self.agent.asked[0].answer(FakeAnswer(200, length=0)).end()
        self.assertEqual(device.reply()[b"Connection"], b"close")
        self.assertTrue(device.closed)

    def test_half_of_the_next_request(self) -> None:
        """The same with a request that is not the first, whatever is here of it."""
        request = b"PUT %b HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n[]" % API
        for size in (1, len(request) - 1):
            self.site.draining = False
            device = self.device()
            device.ask(b"GET", b"/nothing")
            device.forget_received()
            device.send(request[:size])
            self.drain()
            self.assertFalse(device.closed)
            device.send(request[size:])
            self.agent.asked.pop().answer(FakeAnswer(200, length=0)).end()
            self.assertEqual(device.reply()[b"Connection"], b"close")
            self.assertTrue(device.closed)
            device.hang_up()

    def test_deadline(self) -> None:
        """What has not ended at the deadline is cut off."""
        device = self.busy_device()
        draining = self.drain(20)
        self.pass_time(19)
        self.assertFalse(device.cut)
        self.pass_time(1)
        self.assertTrue(device.cut)
        self.assertNoResult(draining)
        device.hang_up()
        self.successResultOf(draining)
        self.assertTrue(self.agent.asked[0].given_up)

    def test_about_to_ask(self) -> None:
        """A device that connected just before is still answered, and closed then."""
        device = self.device()
        draining = self.drain()
        self.assertFalse(device.closed)
        device.ask(b"GET", API)
        self.agent.asked[0].answer(FakeAnswer(200, length=0)).end()
        self.assertEqual(device.reply()[b"Connection"], b"close")
        self.assertTrue(device.closed)
        device.hang_up()
        self.successResultOf(draining)

    def test_silent(self) -> None:
        """One that does not ask after all is waited for no longer than at any other time."""
        device = self.device()
        draining = self.drain(3600)
        self.pass_time(LIMITS.header_timeout)
        self.assertTrue(device.cut)
        device.hang_up()
        self.successResultOf(draining)

    def test_too_late(self) -> None:
        """Whoever connects meanwhile is cut off when he asks; after a new start he is not."""
        self.drain()
        device = self.device()
        device.ask(b"GET", API)
        self.assertEqual((device.cut, device.received), (True, b""))
        self.site.draining = False
        self.assertFalse(self.busy_device().cut)

    def test_probes(self) -> None:
        """He gets to know how the gateway is, though, and keeps it from nothing."""
        device = self.busy_device()
        draining = self.drain()
        late = self.device()
        late.ask(b"GET", b"/api/internal/v1/gateway/ready")
        reply = late.reply()
        self.assertEqual((reply.status, reply[b"Connection"]), (503, b"close"))
        device.hang_up()
        self.successResultOf(draining)

    def test_close(self) -> None:
        """In the end whoever is there is cut off and waited for."""
        device = self.busy_device()
        closing = Deferred.fromCoroutine(self.site.close())
        self.assertTrue(device.cut)
        self.assertNoResult(closing)
        device.hang_up()
        self.successResultOf(closing)
