"""Which TLS sessions are resumed, by the word of OpenSSL's own client."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase

from menderproxy.listen.tls import SESSION_LIFETIME
from menderproxy.service import GatewayService, build
from tests.certificates import Identity, ip, pem_of, root
from tests.config.documents import config_with
from tests.loopback.command import ALIVE, LOOPBACK

REQUEST = f"GET {ALIVE} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode()


class SessionTestCase(TestCase):
    """
    Has what a gateway and its devices need.

    :ivar device: a certificate of the authority that mutual TLS is done with.
    """

    # A net only: nothing here takes long unless it hangs.
    timeout = 60

    def setUp(self) -> None:
        """Make the certificates."""
        if shutil.which("openssl") is None:
            raise SkipTest("there is no openssl command")
        self.authority = root("device authority")
        self.device = self.authority.issue("device")
        self.own = root("gateway authority").issue("gateway", ip(LOOPBACK))

    def file(self, content: bytes) -> str:
        """Write a file; give its path."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)

    def gateway(self, *settings: tuple[str, Any]) -> GatewayService:
        """Start a gateway."""
        service = build(
            config_with(
                ("HTTP.Enabled", False),
                ("HTTPS.Enabled", True),
                ("HTTPS.Listen", f"{LOOPBACK}:0"),
                ("HTTPS.ServerCertificate", self.file(self.own.chain_pem)),
                ("HTTPS.ServerKey", self.file(self.own.key_pem)),
                *settings,
            ),
            reactor,
        )
        service.startService()
        self.addCleanup(maybeDeferred, service.stopService)
        return service

    async def ask(
        self, gateway: GatewayService, *options: str, device: Identity | None = None
    ) -> str:
        """Ask whether a gateway is alive; give all that OpenSSL says about the connection."""
        at = f"{LOOPBACK}:{gateway.listeners[0].address.port}"
        command = ["openssl", "s_client", "-connect", at, "-ign_eof", *options]
        if device is not None:
            command += ["-cert", self.file(device.chain_pem), "-key", self.file(device.key_pem)]
        done = await deferToThread(subprocess.run, command, input=REQUEST, capture_output=True)
        said: str = done.stdout.decode()
        self.assertIn("HTTP/1.1 204 No Content", said)
        return said

    async def resumed(
        self, gateway: GatewayService, version: str, device: Identity | None = None
    ) -> bool:
        """Tell whether the second of two connections resumes the session of the first."""
        session = self.mktemp()
        said = await self.ask(gateway, version, "-sess_out", session, device=device)
        self.assertIn("\nNew, TLSv", said)
        if not Path(session).exists():
            return False  # There was nothing that it might resume.
        said = await self.ask(gateway, version, "-sess_in", session, device=device)
        return "\nReused, TLSv" in said


class SessionTests(SessionTestCase):
    """Without client certificates a device may resume its session."""

    async def test_resumed(self) -> None:
        """It does, by both versions of TLS."""
        gateway = self.gateway()
        for version in ("-tls1_2", "-tls1_3"):
            self.assertTrue(await self.resumed(gateway, version), version)

    async def test_reconnecting(self) -> None:
        """It does so time and again."""
        said = await self.ask(self.gateway(), "-tls1_2", "-reconnect")
        self.assertEqual((said.count("\nNew, TLSv"), said.count("\nReused, TLSv")), (1, 5))

    async def test_lifetime(self) -> None:
        """It is told for how long it may."""
        said = await self.ask(self.gateway(), "-tls1_2")
        found = re.search(r"ticket lifetime hint: ([0-9]+) \(seconds\)", said)
        assert found is not None
        self.assertEqual(int(found[1]), SESSION_LIFETIME)


class MutualTLSTests(SessionTestCase):
    """With mutual TLS every connection shows its certificate."""

    async def test_not_resumed(self) -> None:
        """No session is resumed, by either version of TLS."""
        gateway = self.gateway(
            ("Features.mTLS.Enabled", True),
            ("Features.mTLS.CACertificate", self.file(pem_of(self.authority.certificate))),
            ("Features.mTLS.MenderToken", "a.b.c"),
        )
        for version in ("-tls1_2", "-tls1_3"):
            self.assertFalse(await self.resumed(gateway, version, self.device), version)
