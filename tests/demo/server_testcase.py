"""What the tests of the demo server have in common: a server, a device, one connection."""

from __future__ import annotations

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.demo import go_json
from menderproxy.demo.device_keys import DeviceKey
from menderproxy.demo.mender_server import DemoMenderServer
from menderproxy.demo.sessions import Sessions
from tests.demo.conversation import Conversation, Reply

AUTH_REQUESTS = "/api/devices/v1/authentication/auth_requests"
INVENTORY = "/api/devices/v1/inventory/device/attributes"
IDENTITY = '{"mac":"02:00:00:00:00:01"}'


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
            sessions=self.sessions(),
        )
        self.conversation = Conversation(self.server, self.clock)
        self.key = DeviceKey.generate()
        self.token = ""

    def sessions(self) -> Sessions:
        """Give the users of the management API: nobody."""
        return Sessions()

    def auth_request(
        self, key: DeviceKey | None = None, identity: str = IDENTITY, **headers: str
    ) -> Reply:
        """Ask for a token, properly signed unless headers say otherwise."""
        key = self.key if key is None else key
        body = go_json.dumps({"id_data": identity, "pubkey": key.pubkey_pem}).encode() + b"\n"
        signed = {"Content-Type": "application/json", "X-Men-Signature": key.sign(body)}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.conversation.ask("POST", AUTH_REQUESTS, {**signed, **named}, body)

    def log_in(self) -> None:
        """Get a token and keep it."""
        self.token = self.auth_request().body.decode()

    def call(self, method: str, target: str, document: object = None, **headers: str) -> Reply:
        """Make an API call with the device's token."""
        fields = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = b"" if document is None else json.dumps(document).encode()
        return self.conversation.ask(method, target, {**fields, **headers}, body)
