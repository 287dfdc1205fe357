"""What the tests of preauthorization have in common."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.internet.defer import Deferred

from menderproxy.upstream.management import Management
from menderproxy.upstream.preauthorization import Decision, Preauthorization
from menderproxy.wire.auth_request import AuthRequest
from tests.upstream.mender import DEVICES, Call, SessionTestCase
from tests.wire.auth_requests import body, pem_of

PREAUTHORIZE = f"POST {DEVICES}"
CERTIFICATE = "certificate 0A1B of CN=device by CN=factory"
OTHER = pem_of(ed25519.Ed25519PrivateKey.generate())


def conflict(*sets: tuple[str, str], decommissioning: bool = False) -> dict[str, object]:
    """Describe a device with these keys in these states."""
    return {
        "id": "0a-1",
        "decommissioning": decommissioning,
        "auth_sets": [
            {"id": f"5e{7 + number}", "pubkey": pem, "status": status}
            for number, (pem, status) in enumerate(sets)
        ],
    }


class PreauthorizationTestCase(SessionTestCase):
    """Has what is tested, on a server that the test plays, with a session that has begun."""

    def setUp(self) -> None:
        """Make it, and log in."""
        super().setUp()
        self.login("a.b.c")
        self.mender.calls.clear()
        self.decisions: list[Decision] = []
        self.certificate = CERTIFICATE
        self.request = AuthRequest.parse(body())
        self.preauthorization = self.another()

    def another(self, **options: Any) -> Preauthorization:
        """Make one."""
        management = Management(self.mender.client, self.session, self.clock)
        options = {"jitter": lambda: 0.5, "decided": self.decisions.append, **options}
        return Preauthorization(management, self.clock, **options)

    def ensure(self, request: AuthRequest | None = None) -> Deferred[None]:
        """Let a device ask for a token."""
        return Deferred.fromCoroutine(
            self.preauthorization.ensure(request or self.request, self.certificate)
        )

    def play(self, *answers: tuple[int, object]) -> None:
        """Answer the next calls at once."""
        script = list(answers)

        def role(call: Call) -> None:
            code, content = script.pop(0)
            call.answer(code, content)

        self.mender.role = role
        self.mender.calls.clear()

    def provision(self, *answers: tuple[int, object]) -> Decision:
        """Let the device ask, with these answers to our calls, and give what was decided."""
        self.play(*answers)
        self.successResultOf(self.ensure())
        self.assertEqual(len(self.mender.calls), len(answers))
        return self.decisions[-1]

    def audit_lines(self) -> list[str]:
        """What the log says about decisions."""
        return [line for line in self.logged if line.startswith("preauthorization ")]
