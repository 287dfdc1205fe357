"""Tokens that count together with one certificate only."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource

from menderproxy.web.bindings import TokenBindings, TokenRefused
from menderproxy.web.forward import DeviceProxy
from menderproxy.wire.routes import Route
from tests.certificates import new_key
from tests.web.device import Device
from tests.web.fakes import FakeAnswer
from tests.web.mutual_tls import MutualTLSTestCase
from tests.web.testcase import API, LIMITS

TOKEN = (b"Authorization", b"Bearer the.device.token")


class TokenBindingsTests(SynchronousTestCase):
    """What is remembered."""

    def test_unknown(self) -> None:
        """A token that nobody has used may be anybody's."""
        TokenBindings().check(b"token", b"key")

    def test_bound(self) -> None:
        """A bound one is refused with another key, until it is bound to that."""
        bindings = TokenBindings()
        bindings.check(b"token", b"key").bind()
        bindings.check(b"token", b"key")
        self.assertRaises(TokenRefused, bindings.check, b"token", b"other")
        bindings.bind(b"token", b"other")
        bindings.check(b"token", b"other")
        self.assertRaises(TokenRefused, bindings.check, b"token", b"key")

    def test_bounded(self) -> None:
        """Only so many are remembered: those used last."""
        bindings = TokenBindings(most=2)
        for token in (b"a", b"b", b"a", b"c"):
            bindings.bind(token, b"key")
        bindings.check(b"b", b"other")
        for token in (b"a", b"c"):
            self.assertRaises(TokenRefused, bindings.check, token, b"other")

    def test_secret(self) -> None:
        """No token shows in what this prints as."""
        bindings = TokenBindings()
        token = bindings.check(b"hush", b"key")
        token.bind()
        self.assertNotIn("hush", repr(token) + repr(vars(bindings)))


class BoundTests(MutualTLSTestCase):
    """What becomes of requests."""

    def resources(self) -> Mapping[Route, IResource]:
        """Bind tokens."""
        mender = attrs.evolve(self.agent.server, bindings=TokenBindings())
        return {Route.INVENTORY: DeviceProxy(self.clock, mender, LIMITS.write_stall)}

    def use_token(self, device: Device, status: int = 200) -> int:
        """Let a device use the token, and let the server answer; give the answer's status."""
        device.forget_received()
        device.ask(b"PUT", API, TOKEN, body=b"[]")
        if self.agent.asked:
            self.agent.asked.pop().answer(FakeAnswer(status, length=0)).end()
        return device.reply().status

    def test_stolen(self) -> None:
        """A token seen with one certificate is refused with another, and does not go on."""
        self.assertEqual(self.use_token(self.certified()), 200)
        thief = self.certified()
        thief.ask(b"PUT", API, TOKEN, body=b"[]")
        self.assertEqual(self.agent.asked, [])
        self.assertEqual(thief.reply().status, 401)

    def test_hidden(self) -> None:
        """It is found wherever the server may look for it, behind or before another token too."""
        self.assertEqual(self.use_token(self.certified()), 200)
        own, stolen = (b"Authorization", b"Bearer own"), b"the.device.token"
        for headers in (
            (TOKEN, own),
            (own, TOKEN),
            ((b"Authorization", b"Bearer\t" + stolen),),
            ((b"Cookie", b"a=b; JWT=" + stolen),),
            (own, (b"Cookie", b"JWT=" + stolen)),
        ):
            thief = self.certified()
            thief.ask(b"PUT", API, *headers, body=b"[]")
            self.assertEqual((self.agent.asked, thief.reply().status), ([], 401), headers)
            thief.hang_up()

    def test_renewed(self) -> None:
        """A renewed certificate for the same key is the same device's."""
        key = new_key()
        for _ in range(2):
            device = self.certified(self.authority.issue("device", key=key))
            self.assertEqual(self.use_token(device), 200)

    def test_not_genuine(self) -> None:
        """A token that the server refuses is not bound: else a guess could lock out its owner."""
        self.assertEqual(self.use_token(self.certified(), status=401), 401)
        self.assertEqual(self.use_token(self.certified(), status=200), 200)

    def test_without_token(self) -> None:
        """Requests without a token are nobody's business here."""
        device = self.certified()
        device.ask(b"GET", API)
        self.assertEqual(len(self.agent.asked), 1)

    def test_logged(self) -> None:
        """The log tells of the theft, not of the token."""
        self.use_token(self.certified())
        lines = self.watch_log()
        self.certified().ask(b"PUT", API, TOKEN, body=b"[]")
        self.assertTrue(any("token" in line for line in lines), lines)
        self.assertNotIn("the.device.token", "".join(lines))


class UnboundTests(MutualTLSTestCase):
    """Unless it is asked for, no token is bound."""

    def test_any(self) -> None:
        """One token serves with any certificate."""
        for _ in range(2):
            device = self.certified()
            device.ask(b"PUT", API, TOKEN, body=b"[]")
            self.agent.asked.pop().answer(FakeAnswer(200, length=0)).end()
            self.assertEqual(device.reply().status, 200)
            device.hang_up()
