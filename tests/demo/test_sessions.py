"""Tests of demo.sessions, through the demo server as a gateway sees it."""

from __future__ import annotations

import base64
import json
from typing import Any

from menderproxy.demo import tokens
from menderproxy.demo.sessions import SESSION_LIMIT
from tests.demo.conversation import Conversation, Reply
from tests.demo.management_testcase import DEVICES, LOGIN, PASSWORD, PAT, USER, ManagementTestCase


class LoginTests(ManagementTestCase):
    """Sessions of users."""

    def test_token(self) -> None:
        """The answer is the bare text of a token that is good for a week."""
        reply = self.user_log_in()
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "application/jwt"))
        claims = self.claims(reply)
        self.assertEqual(claims["exp"], tokens.LIFETIME)
        self.assertTrue(claims["mender.user"])

    def claims(self, reply: Reply) -> Any:
        """Read what a token says."""
        payload = reply.body.split(b".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + b"=="))

    def test_wrong(self) -> None:
        """A wrong password, an unknown user and no credentials at all are refused alike."""
        for email, password in ((USER, "x"), ("other@example.com", PASSWORD), ("", "")):
            reply = self.user_log_in(email, password)
            self.assertEqual(reply.status, 401)
            error: Any = reply.json()
            self.assertEqual(error["request_id"], reply.headers["x-men-requestid"])
        self.assertEqual(self.conversation.ask("POST", LOGIN).status, 401)
        self.assertEqual(self.conversation.ask("POST", LOGIN, {"Authorization": "x"}).status, 401)

    def test_case(self) -> None:
        """E-mail addresses are the same in any case; passwords are not."""
        self.assertEqual(self.user_log_in(USER.upper()).status, 200)
        self.assertEqual(self.user_log_in(password=PASSWORD.upper()).status, 401)

    def test_expiry(self) -> None:
        """A session ends after a week, unless it was asked not to."""
        lasting = self.user_log_in(body=b'{"no_expiry":true}')
        self.assertNotIn("exp", self.claims(lasting))
        self.clock.advance(tokens.LIFETIME)
        self.conversation = Conversation(self.server, self.clock)
        self.assertEqual(self.preauthorize().status, 401)
        self.user_token = lasting.body.decode()
        self.assertEqual(self.preauthorize().status, 201)

    def test_bad_options(self) -> None:
        """Options that make no sense are refused."""
        for body in (b"{", b"[]", b'{"no_expiry":1}'):
            self.assertEqual(self.user_log_in(body=body).status, 400, body)

    def test_session_limit(self) -> None:
        """One login too many ends the oldest session, and only that."""
        logins = [self.user_log_in().body.decode() for _ in range(SESSION_LIMIT - 1)]
        self.assertEqual(self.preauthorize().status, 201)
        self.user_log_in()
        self.assertEqual(self.preauthorize().status, 401)
        self.user_token = logins[0]
        self.assertEqual(self.preauthorize().status, 409)

    def test_rate(self) -> None:
        """Logins that come too fast are told when to come again."""
        self.server.management.sessions.login_interval = 2.5
        self.assertEqual(self.user_log_in().status, 200)
        self.clock.advance(1)
        reply = self.user_log_in()
        self.assertEqual((reply.status, reply.headers["retry-after"]), (429, "2"))
        self.clock.advance(2)
        self.assertEqual(self.user_log_in().status, 200)

    def test_personal_access_token(self) -> None:
        """A personal access token needs no login, and is void when it is revoked."""
        self.user_token = PAT
        self.assertEqual(self.preauthorize().status, 201)
        self.server.management.sessions.personal_access_tokens.discard(PAT)
        self.assertEqual(self.preauthorize().status, 401)

    def test_strangers(self) -> None:
        """Neither a device's token nor an invented one is good for the management API."""
        self.accepted()
        for token in ("", "x", self.token, f"{self.user_token}x"):
            self.assertEqual(self.manage("POST", DEVICES, {}, token).status, 401, token)

    def test_not_for_devices(self) -> None:
        """A user's token is not good for the device API."""
        self.token = self.user_token
        self.assertEqual(self.ask_api(), 401)

    def test_secrets(self) -> None:
        """Passwords and tokens show in no representation."""
        self.preauthorize()
        shown = repr((self.server.management, self.server.requests))
        for secret in (PASSWORD, PAT, self.user_token.rpartition(".")[2]):
            self.assertNotIn(secret, shown)
