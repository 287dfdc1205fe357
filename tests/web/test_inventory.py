"""Tests of inventories on their way to the server."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping

from twisted.web.resource import IResource

from menderproxy.config.features import DeviceSystem, InventoryAttribute
from menderproxy.web.inventory import MOST_WARNED, InventoryProxy
from menderproxy.wire.inventory import MOST_BYTES
from menderproxy.wire.routes import Route
from tests.web.fakes import Asked, FakeAnswer
from tests.web.testcase import API, SiteTestCase

SYSTEM = DeviceSystem(
    enabled=True,
    system_id="line 1",
    default_inventory=(InventoryAttribute("site", "Oslo"), InventoryAttribute("floors", (1, 2))),
)
HOST = b'[{"name":"hostname","value":"h1"}%b]\n'
ADDED_ID = b',{"name":"mender_gateway_system_id","value":"line 1"}'
ADDED = ADDED_ID + b',{"name":"site","value":"Oslo"},{"name":"floors","value":[1,2]}'
GZIP = (b"Content-Encoding", b"gzip")
JSON = (b"Content-Type", b"application/json")


def bearer(device: str, number: int) -> tuple[bytes, bytes]:
    """Make the header with one of a device's tokens."""
    said = json.dumps({"sub": device, "jti": number}).encode()
    return (b"Authorization", b"Bearer e30." + base64.urlsafe_b64encode(said) + b".c2ln")


class InventoryTestCase(SiteTestCase):
    """Reports inventories by a gateway that belongs to a system."""

    system = SYSTEM

    def resources(self) -> Mapping[Route, IResource]:
        """Add the system's attributes."""
        proxy = InventoryProxy(self.clock, self.agent.server, 300, self.system)
        return {Route.INVENTORY: proxy}

    def setUp(self) -> None:
        """Take bodies of any length."""
        super().setUp()
        self.site = self.site_with(self.resources(), max_request_body=10 * MOST_BYTES)

    def sent(
        self,
        body: bytes,
        *headers: tuple[bytes, bytes],
        method: bytes = b"PUT",
        address: str = "192.0.2.7",
    ) -> Asked:
        """Give what the server is asked when a device sends that."""
        device = self.device(address=address)
        device.ask(method, API, JSON, *headers, body=body)
        asked = self.agent.asked[-1]
        asked.answer(FakeAnswer(200, length=0)).end()
        self.assertEqual(device.reply().status, 200)
        device.hang_up()
        self.assertEqual((asked.method, asked.target), (method, API))
        self.assertEqual(asked.values(b"content-type"), [b"application/json"])
        return asked


class CompletedTests(InventoryTestCase):
    """Inventories that go on with more than the device sent."""

    def test_put(self) -> None:
        """PUT gets the system's identifier and the default attributes."""
        self.assertEqual(self.sent(HOST % b"").body, HOST % ADDED)
        self.assertEqual(self.sent(b"[]").body, b"[%b]" % ADDED[1:])

    def test_patch(self) -> None:
        """PATCH is completed as well."""
        self.assertEqual(self.sent(HOST % b"", method=b"PATCH").body, HOST % ADDED)

    def test_patch_after_put(self) -> None:
        """A default doesn't override what the device has reported earlier."""
        own = b',{"name":"site","value":"Bergen"}'
        rest = ADDED.replace(b',{"name":"site","value":"Oslo"}', b"")
        self.sent(HOST % own)
        for _ in range(2):
            self.assertEqual(self.sent(HOST % b"", method=b"PATCH").body, HOST % rest)
        self.sent(HOST % b"")
        self.assertEqual(self.sent(HOST % b"", method=b"PATCH").body, HOST % ADDED)

    def test_devices_apart(self) -> None:
        """One device is not taken for another, whatever token it has just now."""
        own = b',{"name":"site","value":"Bergen"}'
        rest = ADDED.replace(b',{"name":"site","value":"Oslo"}', b"")
        self.sent(HOST % own, bearer("one", 1))
        for device, added in (("one", rest), ("other", ADDED)):
            body = self.sent(HOST % b"", bearer(device, 2), method=b"PATCH").body
            self.assertEqual(body, HOST % added)

    def test_device_wins(self) -> None:
        """What the device reports itself is not added."""
        body = b'[{"name":"site","value":"Bergen"},{"name":"mender_gateway_system_id","value":""}]'
        completed = self.sent(body).body
        assert completed is not None
        attributes = json.loads(completed)
        self.assertEqual(
            [(attribute["name"], attribute["value"]) for attribute in attributes],
            [("site", "Bergen"), ("mender_gateway_system_id", ""), ("floors", [1, 2])],
        )

    def test_framing(self) -> None:
        """The device's framing is not taken over, be it a length or chunks."""
        self.sent(HOST % b"")
        device = self.device()
        device.ask(b"PUT", API, (b"Transfer-Encoding", b"chunked"))
        for piece in (b"[", b"]"):
            device.send(b"1\r\n%b\r\n" % piece)
        device.send(b"0\r\n\r\n")
        for asked, body in zip(self.agent.asked, (HOST % ADDED, b"[%b]" % ADDED[1:]), strict=True):
            self.assertEqual(asked.body, body)
            for header in (b"content-length", b"transfer-encoding"):
                self.assertEqual(asked.values(header), [])

    def test_compressed(self) -> None:
        """A compressed body goes on without compression, and without saying that it has one."""
        for encoding in (b"gzip", b"x-gzip", b" GZIP"):
            asked = self.sent(
                gzip.compress(HOST % b""), (b"Content-Encoding", encoding), (b"Content-MD5", b"x")
            )
            self.assertEqual(asked.body, HOST % ADDED)
            self.assertEqual(asked.values(b"content-encoding"), [])
            self.assertEqual(asked.values(b"content-md5"), [])

    def test_identity(self) -> None:
        """An encoding that changes nothing is no obstacle."""
        self.assertEqual(
            self.sent(HOST % b"", (b"Content-Encoding", b"Identity")).body, HOST % ADDED
        )

    def test_other_headers(self) -> None:
        """The device's other headers go on."""
        asked = self.sent(HOST % b"", (b"Authorization", b"Bearer x"), (b"X-Other", b"y"))
        self.assertEqual(asked.values(b"authorization"), [b"Bearer x"])
        self.assertEqual(asked.values(b"x-other"), [b"y"])

    def test_answer(self) -> None:
        """The server's answer comes back as it is, a refusal included."""
        device = self.device()
        device.ask(b"PUT", API, body=b"[]")
        answer = self.agent.asked[0].answer(FakeAnswer(429, (b"Retry-After", b"7"), length=2))
        answer.send(b"{}")
        answer.end()
        reply = device.reply()
        self.assertEqual((reply.status, reply[b"Retry-After"], reply.body), (429, b"7", b"{}"))


class UnchangedTests(InventoryTestCase):
    """Requests that go on as they came."""

    def assert_unchanged(
        self, body: bytes, *headers: tuple[bytes, bytes], method: bytes = b"PUT"
    ) -> None:
        """Fail unless the server gets that very body, and all headers."""
        asked = self.sent(body, *headers, (b"Content-MD5", b"x"), method=method)
        self.assertEqual(asked.body or b"", body)
        for name, value in (*headers, (b"Content-MD5", b"x")):
            self.assertIn(value, asked.values(name))

    def test_not_understood(self) -> None:
        """What is no list of attributes is for the server to refuse."""
        for body in (b"", b"not json", b"{}", b"null", b"[5]", b"[" * 100_000, HOST[:-5]):
            self.assert_unchanged(body)

    def test_other_methods(self) -> None:
        """Only PUT and PATCH report."""
        for method in (b"POST", b"GET", b"DELETE", b"OPTIONS"):
            self.assert_unchanged(HOST % b"", method=method)

    def test_unknown_encoding(self) -> None:
        """What can't be read is left alone, be the encoding unknown or the data broken."""
        packed = gzip.compress(HOST % b"")
        self.assert_unchanged(packed, (b"Content-Encoding", b"br"))
        self.assert_unchanged(HOST % b"", (b"Content-Encoding", b"deflate"))
        self.assert_unchanged(gzip.compress(packed), (b"Content-Encoding", b"gzip, gzip"))
        self.assert_unchanged(packed, (b"Content-Encoding", b"br"), GZIP)
        for broken in (packed[:-5], packed + b"x", HOST % b"", b""):
            self.assert_unchanged(broken, GZIP)

    def test_bomb(self) -> None:
        """What would unpack to more than the server takes is not unpacked."""
        self.assert_unchanged(gzip.compress(b"[" + b" " * 5 * MOST_BYTES + b"]"), GZIP)

    def test_nothing_missing(self) -> None:
        """An inventory that lacks nothing keeps even its compression."""
        self.assert_unchanged(gzip.compress(HOST % ADDED), GZIP)
        self.assert_unchanged(HOST % ADDED)

    def test_too_long(self) -> None:
        """An inventory that would get longer than the server takes keeps its length."""
        self.assert_unchanged(b"[" + b" " * (MOST_BYTES - 10) + b"]")


class PartsTests(InventoryTestCase):
    """Systems without an identifier, or without default attributes."""

    def test_only_defaults(self) -> None:
        """Without an identifier there are the defaults."""
        self.system = DeviceSystem(default_inventory=SYSTEM.default_inventory)
        self.setUp()
        self.assertEqual(self.sent(HOST % b"").body, HOST % ADDED.removeprefix(ADDED_ID))

    def test_only_identifier(self) -> None:
        """Without defaults PUT and PATCH get the identifier."""
        self.system = DeviceSystem(system_id="line 1")
        self.setUp()
        for method in (b"PUT", b"PATCH"):
            self.assertEqual(self.sent(HOST % b"", method=method).body, HOST % ADDED_ID)


class FullInventoryTests(InventoryTestCase):
    """Devices that report nearly as much as the server takes."""

    FULL = json.dumps([{"name": f"n{i}", "value": "x"} for i in range(98)]).encode("ascii")

    def test_identifier_first(self) -> None:
        """Defaults give way to the identifier, the last ones first, and the log says which."""
        lines = self.watch_log()
        completed = self.sent(self.FULL).body
        assert completed is not None
        names = [attribute["name"] for attribute in json.loads(completed)]
        self.assertEqual(names[98:], ["mender_gateway_system_id", "site"])
        [line] = [line for line in lines if "no room" in line]
        self.assertEqual(
            line,
            "the inventory of 192.0.2.7 is as long as the Mender Server takes it: "
            "no room to add floors",
        )

    def test_warned_once(self) -> None:
        """The log says so once for each device, and not without end."""
        lines = self.watch_log()
        self.sent(self.FULL)
        self.sent(self.FULL)
        self.assertEqual(len([line for line in lines if "no room" in line]), 1)
        for number in range(MOST_WARNED + 10):
            self.sent(self.FULL, address=f"10.0.{number // 256}.{number % 256}")
        self.assertEqual(len([line for line in lines if "no room" in line]), MOST_WARNED)
