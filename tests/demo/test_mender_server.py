"""Tests of demo.mender_server, and of what it is made of."""

from __future__ import annotations

from typing import Any

from menderproxy.demo.mender_server import Release
from tests.demo.server_testcase import IDENTITY, INVENTORY, ServerTestCase

_V1 = "/api/devices/v1"
_DEPLOYMENTS = f"{_V1}/deployments/device/deployments"
_NEXT_V1 = f"{_DEPLOYMENTS}/next"
_NEXT_V2 = "/api/devices/v2/deployments/device/deployments/next"
_RELEASE = Release("a1", "release-2", ("board",))
_PROVIDES = {"device_type": "board", "artifact_name": "release-1"}
_UPDATE = {"device_provides": _PROVIDES, "update_control_map": True}


class InventoryTests(ServerTestCase):
    """Attributes of devices."""

    def setUp(self) -> None:
        """Begin with a device that is in."""
        super().setUp()
        self.log_in()
        self.device = self.server.devices[IDENTITY]

    def test_put_replaces(self) -> None:
        """PUT replaces all attributes, PATCH adds to them; both answer 200."""
        first = [{"name": "a", "value": "1"}, {"name": "b", "value": ["2", 3]}]
        self.assertEqual(self.call("PUT", INVENTORY, first).status, 200)
        self.assertEqual(self.device.inventory, {"a": "1", "b": ["2", 3]})
        self.call("PUT", INVENTORY, [{"name": "c", "value": 1.5}])
        self.assertEqual(self.device.inventory, {"c": 1.5})
        self.assertEqual(self.call("PATCH", INVENTORY, [{"name": "a", "value": "2"}]).status, 200)
        self.assertEqual(self.device.inventory, {"c": 1.5, "a": "2"})

    def test_bad_values(self) -> None:
        """One bad attribute spoils the whole request."""
        for bad in (True, None, {"x": 1}, [True], [["x"]]):
            attributes = [{"name": "good", "value": "1"}, {"name": "bad", "value": bad}]
            self.assertEqual(self.call("PUT", INVENTORY, attributes).status, 400, bad)
        for document in ({"name": "a"}, [{"value": "1"}], ["a"], "a"):
            self.assertEqual(self.call("PUT", INVENTORY, document).status, 400, document)
        self.assertEqual(self.device.inventory, {})

    def test_too_many(self) -> None:
        """A hundred attributes are taken, and not one more."""
        attributes = [{"name": str(number), "value": number} for number in range(101)]
        self.assertEqual(self.call("PUT", INVENTORY, attributes).status, 400)
        self.assertEqual(self.call("PUT", INVENTORY, attributes[1:]).status, 200)

    def test_too_big(self) -> None:
        """A body of more than a mebibyte is refused."""
        attributes = [{"name": "a", "value": "x" * (1 << 20)}]
        self.assertEqual(self.call("PUT", INVENTORY, attributes).status, 413)


class DeploymentTests(ServerTestCase):
    """Updates."""

    def setUp(self) -> None:
        """Begin with a device that is in, and a release for it."""
        super().setUp()
        self.log_in()
        self.device = self.server.devices[IDENTITY]
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
        for target in ("/", f"{_V1}/none", "/api/management/v1/none"):
            self.assertEqual(self.call("GET", target).status, 404, target)
        self.assertEqual(self.call("POST", INVENTORY, []).status, 405)

    def test_requests(self) -> None:
        """Every request is kept as it came."""
        self.call("PUT", f"{INVENTORY}?x=%2F", [], Extra="1")
        kept = self.server.requests[-1]
        self.assertEqual((kept.method, kept.path), ("PUT", f"{INVENTORY}?x=%2F"))
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
