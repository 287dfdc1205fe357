"""Tests of demo.mender_server, and of what it is made of."""

from __future__ import annotations

import json
from typing import Any, get_args

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.demo import go_json, tokens
from menderproxy.demo.device_keys import Algorithm, DeviceKey
from menderproxy.demo.mender_server import DemoMenderServer, Release
from tests.demo.conversation import Conversation, Reply

_V1 = "/api/devices/v1"
_AUTH = f"{_V1}/authentication/auth_requests"
_INVENTORY = f"{_V1}/inventory/device/attributes"
_DEPLOYMENTS = f"{_V1}/deployments/device/deployments"
_NEXT_V1 = f"{_DEPLOYMENTS}/next"
_NEXT_V2 = "/api/devices/v2/deployments/device/deployments/next"
_IDENTITY = '{"mac":"02:00:00:00:00:01"}'
_RELEASE = Release("a1", "release-2", ("board",))
_PROVIDES = {"device_type": "board", "artifact_name": "release-1"}
_UPDATE = {"device_provides": _PROVIDES, "update_control_map": True}


class ServerTestCase(SynchronousTestCase):
    """A server, one device's key, and one connection."""

    auto_accept = True
    versions = frozenset({1, 2})

    def setUp(self) -> None:
        """Start with a device that the server has never met."""
        self.clock = Clock()
        self.server = DemoMenderServer(
            link=lambda release: f"https://store.example/{release.artifact_id}?a=1&b=<2>",
            seconds=self.clock.seconds,
            versions=self.versions,
            auto_accept=self.auto_accept,
        )
        self.conversation = Conversation(self.server, self.clock)
        self.key = DeviceKey.generate()
        self.token = ""

    def auth_request(
        self, key: DeviceKey | None = None, identity: str = _IDENTITY, **headers: str
    ) -> Reply:
        """Ask for a token, properly signed unless headers say otherwise."""
        key = self.key if key is None else key
        body = go_json.dumps({"id_data": identity, "pubkey": key.pubkey_pem}).encode() + b"\n"
        signed = {"Content-Type": "application/json", "X-Men-Signature": key.sign(body)}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.conversation.ask("POST", _AUTH, {**signed, **named}, body)

    def log_in(self) -> None:
        """Get a token and keep it."""
        self.token = self.auth_request().body.decode()

    def call(self, method: str, target: str, document: object = None, **headers: str) -> Reply:
        """Make an API call with the device's token."""
        fields = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = b"" if document is None else json.dumps(document).encode()
        return self.conversation.ask(method, target, {**fields, **headers}, body)


class AuthenticationTests(ServerTestCase):
    """Requests for a token."""

    def test_token(self) -> None:
        """A new device gets a token: the bare text, with no newline."""
        reply = self.auth_request()
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.headers["content-type"], "application/jwt")
        self.assertEqual(reply.body.decode(), self.server.devices[_IDENTITY].token)
        self.assertEqual(reply.body.count(b"."), 2)

    def test_algorithms(self) -> None:
        """RSA, elliptic curve and Edwards curve keys are all welcome."""
        for algorithm in get_args(Algorithm):
            key = DeviceKey.generate(algorithm)
            identity = go_json.dumps({"mac": algorithm})
            self.assertEqual(self.auth_request(key, identity).status, 200, algorithm)

    def test_signature_covers_bytes(self) -> None:
        """The signature is over the body as sent: one newline less and it is refused."""
        body = go_json.dumps({"id_data": _IDENTITY, "pubkey": self.key.pubkey_pem}).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Men-Signature": self.key.sign(body + b"\n"),
        }
        self.assertEqual(self.conversation.ask("POST", _AUTH, headers, body).status, 401)
        self.assertEqual(self.conversation.ask("POST", _AUTH, headers, body + b"\n").status, 200)

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
            json.dumps({"id_data": _IDENTITY, "pubkey": "none"}).encode(),
        ):
            reply = self.conversation.ask("POST", _AUTH, headers, body)
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
            self.assertEqual(self.call("POST", _NEXT_V2, _UPDATE).status, 401, token)

    def test_expired_token(self) -> None:
        """An expired token gets a 403 the first time, and a 401 from then on."""
        self.log_in()
        self.clock.advance(tokens.LIFETIME)
        self.conversation = Conversation(self.server, self.clock)
        statuses = [self.call("POST", _NEXT_V2, _UPDATE).status for _ in range(3)]
        self.assertEqual(statuses, [403, 401, 401])

    def test_rejected(self) -> None:
        """A device that a human rejected gets no token, and its old one is void."""
        self.log_in()
        self.server.devices[_IDENTITY].status = "rejected"
        self.assertEqual(self.auth_request().status, 401)
        self.assertEqual(self.call("POST", _NEXT_V2, _UPDATE).status, 401)

    def test_secrets(self) -> None:
        """Tokens show in no representation."""
        self.log_in()
        self.call("POST", _NEXT_V2, _UPDATE)
        shown = repr((self.server.devices, self.server.requests))
        self.assertNotIn(self.token.rpartition(".")[2], shown)


class AcceptanceTests(ServerTestCase):
    """A server on which a human decides."""

    auto_accept = False

    def test_pending(self) -> None:
        """A new device waits until it is accepted."""
        self.assertEqual(self.auth_request().status, 401)
        self.assertEqual(self.server.devices[_IDENTITY].status, "pending")
        self.server.accept(_IDENTITY)
        self.assertEqual(self.auth_request().status, 200)

    def test_other_key(self) -> None:
        """A new key waits to be accepted, while the old one stays good until then."""
        self.auth_request()
        self.server.accept(_IDENTITY)
        self.log_in()
        other = DeviceKey.generate()
        self.assertEqual(self.auth_request(other).status, 401)
        self.assertEqual(self.auth_request().status, 200)
        self.assertEqual(self.auth_request(other).status, 401)
        self.server.accept(_IDENTITY)
        self.assertEqual(self.auth_request(other).status, 200)
        self.assertEqual(self.auth_request().status, 401)


class InventoryTests(ServerTestCase):
    """Attributes of devices."""

    def setUp(self) -> None:
        """Begin with a device that is in."""
        super().setUp()
        self.log_in()
        self.device = self.server.devices[_IDENTITY]

    def test_put_replaces(self) -> None:
        """PUT replaces all attributes, PATCH adds to them; both answer 200."""
        first = [{"name": "a", "value": "1"}, {"name": "b", "value": ["2", 3]}]
        self.assertEqual(self.call("PUT", _INVENTORY, first).status, 200)
        self.assertEqual(self.device.inventory, {"a": "1", "b": ["2", 3]})
        self.call("PUT", _INVENTORY, [{"name": "c", "value": 1.5}])
        self.assertEqual(self.device.inventory, {"c": 1.5})
        self.assertEqual(self.call("PATCH", _INVENTORY, [{"name": "a", "value": "2"}]).status, 200)
        self.assertEqual(self.device.inventory, {"c": 1.5, "a": "2"})

    def test_bad_values(self) -> None:
        """One bad attribute spoils the whole request."""
        for bad in (True, None, {"x": 1}, [True], [["x"]]):
            attributes = [{"name": "good", "value": "1"}, {"name": "bad", "value": bad}]
            self.assertEqual(self.call("PUT", _INVENTORY, attributes).status, 400, bad)
        for document in ({"name": "a"}, [{"value": "1"}], ["a"], "a"):
            self.assertEqual(self.call("PUT", _INVENTORY, document).status, 400, document)
        self.assertEqual(self.device.inventory, {})

    def test_too_many(self) -> None:
        """A hundred attributes are taken, and not one more."""
        attributes = [{"name": str(number), "value": number} for number in range(101)]
        self.assertEqual(self.call("PUT", _INVENTORY, attributes).status, 400)
        self.assertEqual(self.call("PUT", _INVENTORY, attributes[1:]).status, 200)

    def test_too_big(self) -> None:
        """A body of more than a mebibyte is refused."""
        attributes = [{"name": "a", "value": "x" * (1 << 20)}]
        self.assertEqual(self.call("PUT", _INVENTORY, attributes).status, 413)


class DeploymentTests(ServerTestCase):
    """Updates."""

    def setUp(self) -> None:
        """Begin with a device that is in, and a release for it."""
        super().setUp()
        self.log_in()
        self.device = self.server.devices[_IDENTITY]
        self.deployment = self.server.deploy(_RELEASE)

    def report(self, status: str) -> int:
        """Report a status and give the answer's."""
        target = f"{_DEPLOYMENTS}/{self.deployment.id}/status"
        return self.call("PUT", target, {"status": status}).status

    def test_instructions(self) -> None:
        """The second version of the API gives link, names and types."""
        reply = self.call("POST", _NEXT_V2, _UPDATE)
        self.assertEqual(reply.status, 200)
        self.assertEqual(
            reply.json(),
            {
                "id": self.deployment.id,
                "artifact": {
                    "id": "a1",
                    "artifact_name": "release-2",
                    "source": {
                        "uri": "https://store.example/a1?a=1&b=<2>",
                        "expire": "1970-01-02T00:00:00Z",
                    },
                    "device_types_compatible": ["board"],
                },
                "update_control_map": None,
            },
        )
        self.assertEqual(self.device.deployment_id, self.deployment.id)

    def test_escapes(self) -> None:
        """Go's escapes stand in the text, where a search for the link would miss it."""
        reply = self.call("POST", _NEXT_V2, _UPDATE)
        self.assertIn(rb"a1?a=1\u0026b=\u003c2\u003e", reply.body)

    def test_gzip(self) -> None:
        """A client that accepts gzip gets gzip."""
        plain = self.call("POST", _NEXT_V2, _UPDATE)
        packed = self.call("POST", _NEXT_V2, _UPDATE, **{"Accept-Encoding": "gzip"})
        self.assertNotIn("content-encoding", plain.headers)
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertEqual(packed.json(), plain.json())
        self.assertEqual(packed.headers["content-length"], str(len(packed.body)))

    def test_first_version(self) -> None:
        """The first version of the API takes a body or a query."""
        reply: Any = self.call("POST", _NEXT_V1, _PROVIDES)
        self.assertNotIn("update_control_map", reply.json())
        self.setUp()
        query = "artifact_name=release-1&device_type=board"
        self.assertEqual(self.call("GET", f"{_NEXT_V1}?{query}").status, 200)

    def test_nothing(self) -> None:
        """A device of another type gets a 204 without a Content-Length."""
        other = {"device_provides": {**_PROVIDES, "device_type": "other"}}
        reply = self.call("POST", _NEXT_V2, other)
        self.assertEqual((reply.status, reply.body), (204, b""))
        self.assertNotIn("content-length", reply.headers)

    def test_already_installed(self) -> None:
        """A device that has the release is not offered it, now or later."""
        has = {"device_provides": {**_PROVIDES, "artifact_name": "release-2"}}
        self.assertEqual(self.call("POST", _NEXT_V2, has).status, 204)
        self.assertEqual(self.device.statuses, ["already-installed"])
        self.assertEqual(self.call("POST", _NEXT_V2, _UPDATE).status, 204)

    def test_missing_fields(self) -> None:
        """A request that doesn't say what the device is gets a 400."""
        incomplete: object = {"device_provides": {"device_type": "board"}}
        for document in (incomplete, {}, [], _PROVIDES):
            self.assertEqual(self.call("POST", _NEXT_V2, document).status, 400, document)

    def test_changed_request(self) -> None:
        """Asking otherwise in mid-deployment is a conflict and ends the deployment."""
        self.call("POST", _NEXT_V2, _UPDATE)
        self.assertEqual(self.call("POST", _NEXT_V2, _UPDATE).status, 200)
        self.assertEqual(self.call("POST", _NEXT_V1, _PROVIDES).status, 409)
        self.assertEqual(self.device.statuses, ["failure"])
        self.assertEqual(self.call("POST", _NEXT_V2, _UPDATE).status, 204)

    def test_statuses(self) -> None:
        """Reports are kept in order, and a final one ends the deployment."""
        self.call("POST", _NEXT_V2, _UPDATE)
        self.assertEqual([self.report(s) for s in ("downloading", "success")], [204, 204])
        self.assertEqual(self.device.statuses, ["downloading", "success"])
        self.assertEqual(self.call("POST", _NEXT_V2, _UPDATE).status, 204)

    def test_odd_statuses(self) -> None:
        """An unknown status, or one for a deployment that the device never got, is refused."""
        self.assertEqual(self.report("downloading"), 404)
        self.call("POST", _NEXT_V2, _UPDATE)
        self.assertEqual(self.report("dancing"), 400)
        self.assertEqual(self.device.statuses, [])

    def test_aborted(self) -> None:
        """A deployment that was called off is a conflict to whoever reports on it."""
        self.call("POST", _NEXT_V2, _UPDATE)
        self.deployment.aborted = True
        self.assertEqual(self.report("downloading"), 409)
        self.assertEqual(self.call("POST", _NEXT_V2, _UPDATE).status, 204)

    def test_log(self) -> None:
        """A log is kept; an empty one is refused."""
        self.call("POST", _NEXT_V2, _UPDATE)
        target = f"{_DEPLOYMENTS}/{self.deployment.id}/log"
        self.assertEqual(self.call("PUT", target, {"messages": []}).status, 400)
        message = {"timestamp": "1970-01-01T00:00:00Z", "level": "error", "message": "no"}
        self.assertEqual(self.call("PUT", target, {"messages": [message]}).status, 204)
        self.assertEqual(self.device.log, [message])

    def test_configuration(self) -> None:
        """What a device reports to be configured to is what it is told."""
        target = f"{_V1}/deviceconfig/configuration"
        self.assertEqual(self.call("PUT", target, {"timezone": "UTC"}).status, 204)
        self.assertEqual(self.call("GET", target).json(), {"timezone": "UTC"})

    def test_unknown_routes(self) -> None:
        """What a server does not have is a 404, what it has not that way a 405."""
        for target in ("/", f"{_V1}/none", "/api/management/v1/useradm/auth/login"):
            self.assertEqual(self.call("GET", target).status, 404, target)
        self.assertEqual(self.call("POST", _INVENTORY, []).status, 405)

    def test_requests(self) -> None:
        """Every request is kept as it came."""
        self.call("PUT", f"{_INVENTORY}?x=%2F", [], Extra="1")
        kept = self.server.requests[-1]
        self.assertEqual((kept.method, kept.path), ("PUT", f"{_INVENTORY}?x=%2F"))
        self.assertEqual(kept.headers.getRawHeaders("extra"), ["1"])
        self.assertEqual(kept.body, b"[]")


class OldServerTests(ServerTestCase):
    """A server that knows the first version of the deployments API only."""

    versions = frozenset({1})

    def test_fallback(self) -> None:
        """The second version is not found, and that doesn't count as asking otherwise."""
        self.log_in()
        self.server.deploy(_RELEASE)
        statuses = [
            self.call("POST", target, document).status
            for _ in range(2)
            for target, document in ((_NEXT_V2, _UPDATE), (_NEXT_V1, _PROVIDES))
        ]
        self.assertEqual(statuses, [404, 200, 404, 200])
