"""What the tests of the management API have in common: a service user who has logged in."""

from __future__ import annotations

import base64
import json

from menderproxy.demo.device_keys import DeviceKey
from menderproxy.demo.fleet import DemoDevice
from menderproxy.demo.sessions import Sessions
from tests.demo.conversation import Reply
from tests.demo.server_testcase import IDENTITY, INVENTORY, ServerTestCase

LOGIN = "/api/management/v1/useradm/auth/login"
DEVICES = "/api/management/v2/devauth/devices"
USER, PASSWORD = "gateway@example.com", "correct horse: battery"
PAT = "a-personal-access-token"


class ManagementTestCase(ServerTestCase):
    """A server on which a human decides, and a service user."""

    auto_accept = False

    def setUp(self) -> None:
        """Log the service user in."""
        super().setUp()
        self.user_token = self.user_log_in().body.decode()

    def sessions(self) -> Sessions:
        """Give the service user, and a token that needs no login."""
        return Sessions({USER: PASSWORD}, {PAT})

    def user_log_in(self, email: str = USER, password: str = PASSWORD, body: bytes = b"") -> Reply:
        """Log a user in."""
        basic = base64.b64encode(f"{email}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
        return self.conversation.ask("POST", LOGIN, headers, body)

    def manage(
        self, method: str, target: str, document: object = None, token: str | None = None
    ) -> Reply:
        """Make a call with the user's token, or another one."""
        used = self.user_token if token is None else token
        return self.call(method, target, document, Authorization=f"Bearer {used}")

    def preauthorize(self, key: DeviceKey | None = None, **more: object) -> Reply:
        """Ask for the device to be let in, with its own key or another one."""
        pubkey = (self.key if key is None else key).pubkey_pem
        document = {"identity_data": json.loads(IDENTITY), "pubkey": pubkey}
        return self.manage("POST", DEVICES, {**document, **more})

    @property
    def device(self) -> DemoDevice:
        """The device as the server knows it."""
        return self.server.devices[IDENTITY]

    def statuses(self) -> list[str]:
        """What has become of the device's keys, oldest first."""
        return [str(auth_set.status) for auth_set in self.device.auth_sets]

    def ask_api(self) -> int:
        """Let the device make an ordinary call with its token; give the status."""
        return self.call("PUT", INVENTORY, []).status

    def accepted(self) -> None:
        """Let the device in by a human's hand, and give it a token."""
        self.auth_request()
        self.server.accept(IDENTITY)
        self.log_in()
