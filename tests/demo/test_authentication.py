"""Tests of demo.mender_server: who gets a token, and what it is good for."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

from menderproxy.demo import go_json, tokens
from menderproxy.demo.device_keys import Algorithm, DeviceKey
from tests.demo.conversation import Conversation
from tests.demo.server_testcase import AUTH_REQUESTS, IDENTITY, INVENTORY, ServerTestCase


class AuthenticationTests(ServerTestCase):
    """Requests for a token."""

    def test_token(self) -> None:
        """A new device gets a token: the bare text, with no newline."""
        reply = self.auth_request()
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.headers["content-type"], "application/jwt")
        self.assertEqual(reply.body.decode(), self.server.devices[IDENTITY].token)
        self.assertEqual(reply.body.count(b"."), 2)

    def test_claims(self) -> None:
        """A token names the device and the key that it was given for."""
        self.log_in()
        device = self.server.devices[IDENTITY]
        (auth_set,) = device.auth_sets
        claims = json.loads(base64.urlsafe_b64decode(self.token.split(".")[1] + "=="))
        self.assertEqual((claims["sub"], claims["jti"]), (device.id, auth_set.id))
        self.assertTrue(claims["mender.device"])

    def test_scheme(self) -> None:
        """A token is taken as a bearer's and no other way."""
        self.log_in()
        for scheme, status in (("bearer", 200), ("Basic", 401), ("", 401)):
            reply = self.call("PUT", INVENTORY, [], Authorization=f"{scheme} {self.token}")
            self.assertEqual(reply.status, status, scheme)

    def test_algorithms(self) -> None:
        """RSA, elliptic curve and Edwards curve keys are all welcome."""
        for algorithm in get_args(Algorithm):
            key = DeviceKey.generate(algorithm)
            identity = go_json.dumps({"mac": algorithm})
            self.assertEqual(self.auth_request(key, identity).status, 200, algorithm)

    def test_signature_covers_bytes(self) -> None:
        """The signature is over the body as sent: one newline less and it is refused."""
        body = go_json.dumps({"id_data": IDENTITY, "pubkey": self.key.pubkey_pem}).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Men-Signature": self.key.sign(body + b"\n"),
        }
        self.assertEqual(self.conversation.ask("POST", AUTH_REQUESTS, headers, body).status, 401)
        self.assertEqual(
            self.conversation.ask("POST", AUTH_REQUESTS, headers, body + b"\n").status, 200
        )

    def test_bad_signature(self) -> None:
        """A signature over something else, or what is no base64, is refused for any key."""
        for algorithm in get_args(Algorithm):
            key = DeviceKey.generate(algorithm)
            for signature in (key.sign(b"other"), "!"):
                reply = self.auth_request(key, X_Men_Signature=signature)
                self.assertEqual(reply.status, 401, algorithm)
        self.assertEqual(self.server.devices, {})

    def test_malformed(self) -> None:
        """What is malformed or missing gets a 400 that says so in JSON."""
        headers = {"Content-Type": "application/json", "X-Men-Signature": "eA=="}
        pem = self.key.pubkey_pem
        for body in (
            b"{",
            b"[]",
            b"{}",
            json.dumps({"id_data": "[1]", "pubkey": pem}).encode(),
            json.dumps({"id_data": "{", "pubkey": pem}).encode(),
            json.dumps({"id_data": IDENTITY, "pubkey": "none"}).encode(),
        ):
            reply = self.conversation.ask("POST", AUTH_REQUESTS, headers, body)
            self.assertEqual(reply.status, 400, body)
            error: Any = reply.json()
            self.assertEqual(error["request_id"], reply.headers["x-men-requestid"])
        self.assertEqual(self.auth_request(X_Men_Signature="").status, 400)

    def test_content_type(self) -> None:
        """A body that doesn't claim to be JSON is refused."""
        self.assertEqual(self.auth_request(Content_Type="text/plain").status, 415)

    def test_canonical_identity(self) -> None:
        """Two spellings of an identity are one device."""
        self.auth_request(identity='{"b": "2", "a": "1"}')
        self.auth_request(identity='{"a":"1","b":"2"}')
        self.assertEqual(list(self.server.devices), ['{"a":"1","b":"2"}'])

    def test_unknown_token(self) -> None:
        """A call without a token, or with one that we never issued, is refused."""
        self.log_in()
        for token in ("", "x", f"{self.token}x", f"x.{self.token}"):
            self.token = token
            self.assertEqual(self.call("PUT", INVENTORY, []).status, 401, token)

    def test_expired_token(self) -> None:
        """An expired token gets a 403 the first time, and a 401 from then on."""
        self.log_in()
        self.clock.advance(tokens.LIFETIME)
        self.conversation = Conversation(self.server, self.clock)
        statuses = [self.call("PUT", INVENTORY, []).status for _ in range(3)]
        self.assertEqual(statuses, [403, 401, 401])

    def test_rejected(self) -> None:
        """A device that a human rejected gets no token, and its old one is void."""
        self.log_in()
        self.server.reject(IDENTITY)
        self.assertEqual(self.auth_request().status, 401)
        self.assertEqual(self.call("PUT", INVENTORY, []).status, 401)

    def test_secrets(self) -> None:
        """Tokens show in no representation."""
        self.log_in()
        self.call("PUT", INVENTORY, [])
        shown = repr((self.server.devices, self.server.requests))
        self.assertNotIn(self.token.rpartition(".")[2], shown)


class AcceptanceTests(ServerTestCase):
    """A server on which a human decides."""

    auto_accept = False

    def test_pending(self) -> None:
        """A new device waits until it is accepted."""
        self.assertEqual(self.auth_request().status, 401)
        self.assertEqual(self.server.devices[IDENTITY].status, "pending")
        self.server.accept(IDENTITY)
        self.assertEqual(self.auth_request().status, 200)

    def test_other_key(self) -> None:
        """A new key waits to be accepted, while the old one stays good until then."""
        self.auth_request()
        self.server.accept(IDENTITY)
        self.log_in()
        other = DeviceKey.generate()
        self.assertEqual(self.auth_request(other).status, 401)
        self.assertEqual(self.auth_request().status, 200)
        self.assertEqual(self.auth_request(other).status, 401)
        self.server.accept(IDENTITY)
        self.assertEqual(self.auth_request(other).status, 200)
        self.assertEqual(self.auth_request().status, 401)

    def test_refused_token(self) -> None:
        """A token is as good as its key: another accepted key makes it void at once."""
        self.auth_request()
        self.server.accept(IDENTITY)
        self.log_in()
        self.auth_request(DeviceKey.generate())
        self.assertEqual(self.call("PUT", INVENTORY, []).status, 200)
        self.server.accept(IDENTITY)
        self.assertEqual(self.call("PUT", INVENTORY, []).status, 401)

    def test_never_asked(self) -> None:
        """Nobody can accept a device that has not asked."""
        with self.assertRaises(KeyError):
            self.server.accept(IDENTITY)

    def test_reject_one_key(self) -> None:
        """A human can reject one key: the device's others stay what they are."""
        self.auth_request()
        self.server.accept(IDENTITY)
        other = DeviceKey.generate()
        self.auth_request(other)
        known = self.server.devices[IDENTITY].auth_sets.with_key(other.pubkey_pem)
        self.server.reject(IDENTITY, known)
        self.assertEqual(self.auth_request().status, 200)
        self.server.reject(IDENTITY)
        self.assertEqual(self.auth_request().status, 401)

    def test_dismissed(self) -> None:
        """A dismissed key is void, and as good as new when it is shown again."""
        self.auth_request()
        self.server.reject(IDENTITY)
        self.server.dismiss(IDENTITY)
        self.assertEqual(self.server.devices[IDENTITY].status, "noauth")
        with self.assertRaises(KeyError):
            self.server.accept(IDENTITY)
        self.assertEqual(self.auth_request().status, 401)
        self.assertEqual(self.server.devices[IDENTITY].status, "pending")

    def test_decommissioned(self) -> None:
        """A device that is being removed gets nothing; once it is gone it is new."""
        self.auth_request()
        self.server.accept(IDENTITY)
        self.log_in()
        self.server.decommission(IDENTITY)
        self.assertEqual(self.call("PUT", INVENTORY, []).status, 401)
        self.assertEqual(self.auth_request().status, 401)
        self.assertEqual(len(self.server.devices[IDENTITY].auth_sets), 1)
        self.server.delete(IDENTITY)
        self.assertEqual(self.call("PUT", INVENTORY, []).status, 401)
        self.assertEqual(self.auth_request().status, 401)
        self.assertEqual(self.server.devices[IDENTITY].status, "pending")
