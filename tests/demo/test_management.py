"""Tests of demo.management, through the demo server as a gateway sees it."""

from __future__ import annotations

import json
from typing import Any

from menderproxy.demo.device_keys import DeviceKey
from menderproxy.demo.faults import Refuse
from menderproxy.demo.management import Permission
from tests.demo.conversation import Conversation
from tests.demo.management_testcase import DEVICES, LOGIN, PAT, ManagementTestCase
from tests.demo.server_testcase import IDENTITY

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class PreauthorizeTests(ManagementTestCase):
    """Devices that are let in before they come."""

    def test_new(self) -> None:
        """An unknown device is preauthorized, and let in the first time it asks."""
        reply = self.preauthorize()
        self.assertEqual((reply.status, reply.body), (201, b""))
        self.assertEqual(reply.headers["location"], f"devices/{self.device.id}")
        self.assertEqual(self.statuses(), ["preauthorized"])
        self.assertEqual(self.auth_request().status, 200)
        self.assertEqual(self.statuses(), ["accepted"])

    def test_other_key(self) -> None:
        """A device that comes with another key than the expected one waits."""
        self.preauthorize()
        self.assertEqual(self.auth_request(DeviceKey.generate()).status, 401)
        self.assertEqual(self.statuses(), ["preauthorized", "pending"])
        self.assertEqual(self.device.status, "preauthorized")

    def test_conflict(self) -> None:
        """A known device is a conflict, which can show its keys, and changes nothing."""
        self.server.management.conflict_auth_sets = True
        self.clock.advance(86400)
        self.conversation = Conversation(self.server, self.clock)
        self.auth_request()
        reply = self.preauthorize()
        self.assertEqual(reply.status, 409)
        identity_data = json.loads(IDENTITY)
        (auth_set,) = self.device.auth_sets
        self.assertEqual(
            reply.json(),
            {
                "id": self.device.id,
                "identity_data": identity_data,
                "status": "pending",
                "decommissioning": False,
                "auth_sets": [
                    {
                        "id": auth_set.id,
                        "identity_data": identity_data,
                        "pubkey": self.key.pubkey_pem,
                        "ts": "1970-01-02T00:00:00Z",
                        "status": "pending",
                    }
                ],
            },
        )
        self.assertEqual(self.auth_request().status, 401)

    def test_bare_conflict(self) -> None:
        """Usually it shows no keys; to ask for the device tells them."""
        self.auth_request()
        conflict: Any = self.preauthorize().json()
        self.assertIsNone(conflict["auth_sets"])
        shown: Any = self.manage("GET", f"{DEVICES}/{conflict['id']}").json()
        self.assertEqual([each["status"] for each in shown["auth_sets"]], ["pending"])

    def test_force_pending(self) -> None:
        """A pending device is let in by force; the location is nobody's."""
        self.auth_request()
        reply = self.preauthorize(force=True)
        self.assertEqual(reply.status, 201)
        self.assertRegex(reply.headers["location"], f"^devices/{_UUID}$")
        self.assertNotIn(self.device.id, reply.headers["location"])
        self.assertNotEqual(
            reply.headers["location"], self.preauthorize(force=True).headers["location"]
        )
        self.assertEqual(self.auth_request().status, 200)

    def test_force_rejected(self) -> None:
        """Force overrides a human's rejection."""
        self.auth_request()
        self.server.reject(IDENTITY)
        self.assertEqual(self.auth_request().status, 401)
        self.assertEqual(self.preauthorize(force=True).status, 201)
        self.assertEqual(self.auth_request().status, 200)

    def test_force_accepted(self) -> None:
        """Force on an accepted key voids the device's token until it asks for another."""
        self.accepted()
        self.assertEqual(self.ask_api(), 200)
        self.preauthorize(force=True)
        self.assertEqual(self.ask_api(), 401)
        self.log_in()
        self.assertEqual(self.ask_api(), 200)

    def test_force_new_key(self) -> None:
        """A device can change its key: the old one is good until the new one is used."""
        self.accepted()
        new = DeviceKey.generate()
        self.preauthorize(new, force=True)
        self.assertEqual(self.device.status, "accepted")
        self.assertEqual(self.ask_api(), 200)
        self.assertEqual(self.auth_request(new).status, 200)
        self.assertEqual(self.statuses(), ["rejected", "accepted"])
        self.assertEqual(self.ask_api(), 401)
        self.assertEqual(self.auth_request().status, 401)

    def test_legacy(self) -> None:
        """An old server knows no force: a known device is always a conflict."""
        self.server.management.legacy = True
        self.assertEqual(self.preauthorize(force=True).status, 201)
        self.assertEqual(self.preauthorize(force=True).status, 409)
        self.assertEqual(self.auth_request().status, 200)
        self.assertEqual(self.preauthorize(DeviceKey.generate(), force=True).status, 409)
        self.assertEqual(self.statuses(), ["accepted"])

    def test_canonical(self) -> None:
        """Identities and keys are compared by what they mean, not by how they are spelled."""
        crlf = self.key.pubkey_pem.replace("\n", "\r\n")
        identity = {"b": "2", "a": ["1"]}
        document = {"pubkey": crlf, "identity_data": identity}
        self.assertEqual(self.manage("POST", DEVICES, document).status, 201)
        self.assertEqual(self.auth_request(identity='{"a": ["1"], "b": "2"}').status, 200)

    def test_malformed(self) -> None:
        """What is malformed or missing gets a 400, and nobody is let in."""
        pubkey, identity_data = self.key.pubkey_pem, {"mac": "1"}
        documents: tuple[object, ...] = (
            [],
            {},
            {"pubkey": pubkey},
            {"identity_data": identity_data},
            {"identity_data": identity_data, "pubkey": "none"},
            {"identity_data": identity_data, "pubkey": 1},
            {"identity_data": {}, "pubkey": pubkey},
            {"identity_data": '{"mac":"1"}', "pubkey": pubkey},
            {"identity_data": identity_data, "pubkey": pubkey, "force": "yes"},
        )
        for document in documents:
            self.assertEqual(self.manage("POST", DEVICES, document).status, 400, document)
        self.assertEqual(self.server.devices, {})

    def test_content_type(self) -> None:
        """A body that doesn't claim to be JSON is refused."""
        headers = {"Authorization": f"Bearer {self.user_token}", "Content-Type": "text/plain"}
        self.assertEqual(self.conversation.ask("POST", DEVICES, headers, b"{}").status, 415)

    def test_forbidden(self) -> None:
        """A role that may not preauthorize gets a 403."""
        self.server.management.permissions = frozenset()
        self.assertEqual(self.preauthorize().status, 403)
        self.assertEqual(self.server.devices, {})

    def test_device_limit(self) -> None:
        """The limit of devices counts when one comes, not when it is preauthorized."""
        self.server.fleet.device_limit = 0
        self.assertEqual(self.preauthorize().status, 201)
        self.assertEqual(self.auth_request().status, 401)
        self.server.fleet.device_limit = 1
        self.assertEqual(self.auth_request().status, 200)
        self.preauthorize(force=True)
        self.assertEqual(self.auth_request().status, 200)

    def test_device_limit_new_key(self) -> None:
        """A device that is in can change its key when no more devices are let in."""
        self.accepted()
        self.server.fleet.device_limit = 1
        new = DeviceKey.generate()
        self.preauthorize(new, force=True)
        self.assertEqual(self.auth_request(new).status, 200)

    def test_decommissioning(self) -> None:
        """Nothing helps a device that is being removed until it is gone."""
        self.accepted()
        self.server.decommission(IDENTITY)
        conflict: Any = self.preauthorize().json()
        self.assertTrue(conflict["decommissioning"])
        self.preauthorize(force=True)
        self.assertEqual(self.auth_request().status, 401)
        self.server.delete(IDENTITY)
        self.assertEqual(self.preauthorize().status, 201)
        self.assertEqual(self.auth_request().status, 200)


class DecisionTests(ManagementTestCase):
    """Looking at a device, and deciding about its keys."""

    def setUp(self) -> None:
        """Begin with a device that waits."""
        super().setUp()
        self.auth_request()
        (self.auth_set,) = self.device.auth_sets

    def decide(self, status: object, auth_set_id: str | None = None) -> int:
        """Set the status of the device's key, or of another; give the answer's."""
        aid = self.auth_set.id if auth_set_id is None else auth_set_id
        target = f"{DEVICES}/{self.device.id}/auth/{aid}/status"
        return self.manage("PUT", target, {"status": status}).status

    def test_show(self) -> None:
        """A device is shown as in a conflict; an unknown one is not found."""
        self.server.management.conflict_auth_sets = True
        conflict = self.preauthorize()
        shown = self.manage("GET", f"{DEVICES}/{self.device.id}")
        self.assertEqual((shown.status, shown.json()), (200, conflict.json()))
        self.assertEqual(self.manage("GET", f"{DEVICES}/none").status, 404)

    def test_accept(self) -> None:
        """An accepted key is good at once, and the one accepted before is not any more."""
        self.assertEqual(self.decide("accepted"), 204)
        self.assertEqual(self.auth_request().status, 200)
        other = DeviceKey.generate()
        self.auth_request(other)
        self.assertEqual(self.decide("accepted", [*self.device.auth_sets][-1].id), 204)
        self.assertEqual(self.statuses(), ["rejected", "accepted"])

    def test_moves(self) -> None:
        """A key can be moved between the three statuses that are a human's to give."""
        for status in ("accepted", "accepted", "rejected", "pending", "rejected", "accepted"):
            self.assertEqual(self.decide(status), 204, status)
            self.assertEqual(self.statuses(), [status])

    def test_preauthorized(self) -> None:
        """A key that is still expected can't be moved."""
        self.preauthorize(force=True)
        for status in ("accepted", "pending", "rejected"):
            self.assertEqual(self.decide(status), 400, status)
        self.assertEqual(self.statuses(), ["preauthorized"])

    def test_bad_status(self) -> None:
        """A status that is no human's to give is refused."""
        for status in ("preauthorized", "noauth", "", None, ["accepted"]):
            self.assertEqual(self.decide(status), 400, status)
        self.assertEqual(self.statuses(), ["pending"])

    def test_unknown(self) -> None:
        """An unknown device or key is not found."""
        self.assertEqual(self.decide("accepted", "none"), 404)
        target = f"{DEVICES}/none/auth/{self.auth_set.id}/status"
        self.assertEqual(self.manage("PUT", target, {"status": "accepted"}).status, 404)

    def test_device_limit(self) -> None:
        """One device too many can't be processed."""
        self.server.fleet.device_limit = 0
        self.assertEqual(self.decide("accepted"), 422)
        self.assertEqual(self.decide("rejected"), 204)

    def test_forbidden(self) -> None:
        """A role that may only preauthorize can neither look nor decide."""
        self.server.management.permissions = frozenset({Permission.PREAUTHORIZE})
        self.assertEqual(self.manage("GET", f"{DEVICES}/{self.device.id}").status, 403)
        self.assertEqual(self.decide("accepted"), 403)
        self.assertEqual(self.preauthorize(force=True).status, 201)


class CallsTests(ManagementTestCase):
    """What tests are told, and what they can break."""

    def test_calls(self) -> None:
        """Each call is kept with its caller and its status, whatever that was."""
        calls = self.server.management_calls
        self.assertEqual([(call.path, call.status) for call in calls], [(LOGIN, 200)])
        self.preauthorize()
        self.user_token = PAT
        self.preauthorize()
        self.manage("GET", f"{DEVICES}/none?x=1")
        self.user_token = ""
        self.preauthorize()
        self.assertEqual(
            [(call.method, call.path, call.status) for call in calls[1:]],
            [
                ("POST", DEVICES, 201),
                ("POST", DEVICES, 409),
                ("GET", f"{DEVICES}/none?x=1", 404),
                ("POST", DEVICES, 401),
            ],
        )
        session, *others = [call.caller for call in calls[1:]]
        self.assertRegex(session or "", f"^{_UUID}$")
        self.assertEqual(others, ["pat", "pat", None])

    def test_decision_call(self) -> None:
        """A call without an answer's body is kept as the 204 it is."""
        self.auth_request()
        (auth_set,) = self.device.auth_sets
        target = f"{DEVICES}/{self.device.id}/auth/{auth_set.id}/status"
        self.manage("PUT", target, {"status": "rejected"})
        self.assertEqual(self.server.management_calls[-1].status, 204)

    def test_devices_are_no_callers(self) -> None:
        """What devices ask is among the requests, and not among these calls."""
        self.auth_request()
        self.assertEqual(len(self.server.management_calls), 1)
        self.assertEqual(len(self.server.requests), 2)

    def test_faults(self) -> None:
        """An outage lasts for as many calls as there are faults, and spares devices."""
        self.server.management.faults = [Refuse(500), Refuse(503), Refuse(429, retry_after=7)]
        replies = [self.user_log_in(), self.preauthorize()]
        self.assertEqual(self.auth_request().status, 401)
        replies.append(self.preauthorize())
        self.assertEqual([reply.status for reply in replies], [500, 503, 429])
        self.assertNotIn("retry-after", replies[1].headers)
        self.assertEqual(replies[2].headers["retry-after"], "7")
        self.assertEqual(self.user_log_in().status, 200)
        statuses = [call.status for call in self.server.management_calls[1:]]
        self.assertEqual(statuses, [500, 503, 429, 200])

    def test_unknown_paths(self) -> None:
        """A path of the management API that we don't have is not found."""
        self.assertEqual(self.manage("GET", "/api/management/v1/none").status, 404)
        self.assertEqual(self.manage("GET", LOGIN).status, 405)
