"""A device asks for a token: what happens before its request goes on, and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import attrs
from twisted.internet.defer import Deferred
from twisted.web.resource import IResource

from menderproxy.demo.device_keys import DeviceKey
from menderproxy.upstream.preauthorization import Preauthorization, Unprovisioned
from menderproxy.web.authentication import AuthenticationProxy
from menderproxy.web.bindings import TokenBindings
from menderproxy.web.forward import DeviceProxy
from menderproxy.wire.auth_request import AuthRequest
from menderproxy.wire.routes import Route
from tests.web.device import Device
from tests.web.fakes import FakeAnswer
from tests.web.mutual_tls import MutualTLSTestCase
from tests.web.testcase import API, LIMITS

AUTH = b"/api/devices/v1/authentication/auth_requests"
TENANT = (b"Authorization", b"Bearer tenant-token")


def auth_request(key: DeviceKey | None = None) -> bytes:
    """Write what a device sends, as Go writes it."""
    pubkey = (DeviceKey.generate() if key is None else key).pubkey_pem
    fields = {"id_data": '{"mac":"02:00\\u0026"}', "pubkey": pubkey, "tenant_token": "t"}
    return json.dumps(fields).encode() + b"\n"


class FakePreauthorization:
    """
    Preauthorizes when the test says so.

    :ivar asked: devices and certificates that were asked for.
    :ivar outcomes: what the server answered to the requests that went on.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[AuthRequest, str]] = []
        self.deciding: Deferred[None] = Deferred()
        self.outcomes: list[int] = []

    async def ensure(self, request: AuthRequest, certificate: str) -> None:
        """Wait for the test's decision."""
        self.asked.append((request, certificate))
        await self.deciding

    def outcome(self, request: AuthRequest, status: int) -> None:
        """Take it down."""
        self.outcomes.append(status)


class AuthenticationTestCase(MutualTLSTestCase):
    """Has a site that preauthorizes devices."""

    same_key = False

    def resources(self) -> Mapping[Route, IResource]:
        """Serve requests for a token, and bind what is given out."""
        self.preauthorization = FakePreauthorization()
        mender = attrs.evolve(self.agent.server, bindings=TokenBindings())
        stall = LIMITS.write_stall
        return {
            Route.AUTHENTICATION: AuthenticationProxy(
                self.clock,
                mender,
                stall,
                cast(Preauthorization, self.preauthorization),
                same_key=self.same_key,
            ),
            Route.INVENTORY: DeviceProxy(self.clock, mender, stall),
        }

    def ask(self, device: Device, body: bytes) -> None:
        """Let a device ask for a token."""
        device.ask(b"POST", AUTH, TENANT, (b"X-Men-Signature", b"s"), body=body)

    def answer(self, status: int, body: bytes = b"") -> None:
        """Let the server answer the request that went on."""
        answer = self.agent.asked.pop().answer(FakeAnswer(status, length=len(body)))
        answer.send(body)
        answer.end()


class ProvisioningTests(AuthenticationTestCase):
    """First the device is preauthorized, then its request goes on."""

    def test_order(self) -> None:
        """Nothing goes on before, and then the very bytes that the device signed."""
        device, body = self.certified(), auth_request()
        self.ask(device, body)
        ((request, certificate),) = self.preauthorization.asked
        self.assertEqual(request.identity, {"mac": "02:00&"})
        self.assertIn("CN=device by CN=device authority", certificate)
        self.assertEqual(self.agent.asked, [])
        self.preauthorization.deciding.callback(None)
        self.assertEqual(self.agent.asked[0].body, body)
        self.assertIn((b"X-Men-Signature", b"s"), self.agent.asked[0].headers)

    def test_outcome(self) -> None:
        """What the server answers reaches the device as it is, and is told."""
        for status, body in ((200, b"the.token"), (401, b'{"error":"x"}'), (429, b"")):
            device = self.certified()
            self.preauthorization.deciding = Deferred()
            self.ask(device, auth_request())
            self.preauthorization.deciding.callback(None)
            self.answer(status, body)
            self.assertEqual((device.reply().status, device.reply().body), (status, body))
            device.hang_up()
        self.assertEqual(self.preauthorization.outcomes, [200, 401, 429])

    def test_trouble(self) -> None:
        """When the server can't be asked, the device is told when to come again."""
        device = self.certified()
        self.ask(device, auth_request())
        self.preauthorization.deciding.errback(Unprovisioned(17))
        self.assertEqual(device.reply().status, 503)
        self.assertEqual(device.reply()[b"Retry-After"], b"17")
        self.assertEqual((self.agent.asked, self.preauthorization.outcomes), ([], []))

    def test_nonsense(self) -> None:
        """What is no request for a token is the server's to refuse."""
        for body in (b"", b"{}", b"[" * 900, auth_request().replace(b"BEGIN", b"START")):
            device = self.certified()
            self.ask(device, body)
            self.assertEqual(self.agent.asked.pop().body or b"", body)
            device.hang_up()
        self.assertEqual(self.preauthorization.asked, [])

    def test_gone(self) -> None:
        """The request of a device that does not wait goes nowhere."""
        device = self.certified()
        self.ask(device, auth_request())
        device.hang_up()
        self.assertEqual(self.agent.asked, [])


class SameKeyTests(AuthenticationTestCase):
    """``RequireSameKey``."""

    same_key = True

    def test_same(self) -> None:
        """The certificate's key is taken."""
        key = DeviceKey.generate()
        self.ask(
            self.certified(self.authority.issue("device", key=key._private)), auth_request(key)
        )
        self.assertEqual(len(self.preauthorization.asked), 1)

    def test_nonsense(self) -> None:
        """So is what we can't read: the server might read it otherwise."""
        key = DeviceKey.generate()
        twice = auth_request(key).replace(b'"pubkey"', b'"PubKey": "x", "pubkey"')
        for body in (b"{}", twice):
            device = self.certified(self.authority.issue("device", key=key._private))
            self.ask(device, body)
            self.assertEqual(device.reply().status, 400)
            device.hang_up()
        self.assertEqual((self.preauthorization.asked, self.agent.asked), ([], []))

    def test_other(self) -> None:
        """Any other key is refused, and the server doesn't hear of it."""
        lines = self.watch_log()
        device = self.certified()
        self.ask(device, auth_request())
        self.assertEqual(device.reply().status, 401)
        self.assertEqual((self.preauthorization.asked, self.agent.asked), ([], []))
        self.assertTrue(any("02:00" in line and "CN=device" in line for line in lines), lines)


class BindingTests(AuthenticationTestCase):
    """A token belongs to the certificate that it was given out to."""

    def token_for(self, device: Device, token: bytes) -> None:
        """Let a device get a token."""
        self.preauthorization.deciding = Deferred()
        self.ask(device, auth_request())
        self.preauthorization.deciding.callback(None)
        self.answer(200, token)
        device.forget_received()

    def test_given_out(self) -> None:
        """It is refused with another certificate even before its owner has used it."""
        owner, thief = self.certified(), self.certified()
        self.token_for(owner, b"the.token")
        for device in (thief, owner):
            device.ask(b"GET", API, (b"Authorization", b"Bearer the.token"))
        self.assertEqual(thief.reply().status, 401)
        self.assertEqual(len(self.agent.asked), 1)

    def test_rotated(self) -> None:
        """A device with a new certificate gets a new token, even the same one, and goes on."""
        for _ in range(2):
            device = self.certified()
            self.token_for(device, b"the.token")
            device.ask(b"GET", API, (b"Authorization", b"Bearer the.token"))
            self.answer(200)
            self.assertEqual(device.reply().status, 200)

    def test_tenant(self) -> None:
        """The token of the tenant, which all its devices send here, is nobody's own."""
        for _ in range(2):
            device = self.certified()
            self.ask(device, auth_request())
            self.preauthorization.deciding.callback(None)
            self.answer(200, b"the.token")
            self.assertEqual(device.reply().status, 200)
            self.preauthorization.deciding = Deferred()
