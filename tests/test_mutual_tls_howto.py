"""The certificates that the how-to makes are good for what it says."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.admission import Admission
from menderproxy.listen.credentials import CredentialFiles, read_credentials
from menderproxy.listen.refusal import Reason, Refusals
from menderproxy.listen.tls import ServerTLS
from menderproxy.upstream.tls import TrustRoots, VerifiedHost
from tests.certificates import Identity, dns, root
from tests.handshake import shake_hands
from tests.loopback.test_mutual_tls import DeviceTLS
from tests.runnable import runnable

HOW_TO = Path(__file__).parents[1] / "docs" / "mutual-tls.rst"


class HowToTests(SynchronousTestCase):
    """Each command is run as it stands there, in one directory, one after the other."""

    def setUp(self) -> None:
        """Read the page."""
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.refused: list[Reason] = []
        self.blocks = runnable(HOW_TO.read_text("utf-8"))

    def run_blocks(self, *names: str) -> None:
        """Run the commands of some blocks."""
        for name in names:
            for command in self.blocks[name]:
                subprocess.run(
                    command, shell=True, check=True, cwd=self.directory, capture_output=True
                )

    def path(self, name: str) -> str:
        """Where the commands have put something."""
        return str(self.directory / "pki" / name)

    def identity(self, name: str) -> Identity:
        """Read a certificate and its key."""
        certificate = x509.load_pem_x509_certificate(Path(self.path(f"{name}.crt")).read_bytes())
        key = load_pem_private_key(Path(self.path(f"{name}.key")).read_bytes(), None)
        return Identity(certificate, key)  # type: ignore[arg-type]

    def gets_in(self, device: Identity, authority: str = "ca.crt", **files: str) -> bool:
        """Whether a gateway with these files lets a device in."""
        credentials = read_credentials(
            CredentialFiles(
                certificate=self.path("gateway.crt"),
                key=self.path("gateway.key"),
                authorities=self.path(authority),
                **{name: self.path(file) for name, file in files.items()},  # type: ignore[arg-type]
            )
        )
        admission = Admission(credentials.revocation, grace=None, now=time.time)
        refusals = Refusals(self.refused.append)
        tls = ServerTLS(credentials.options, credentials.authorities, admission, refusals)
        return shake_hands(DeviceTLS(device), tls).succeeded

    def test_device(self) -> None:
        """The device gets in; one of another authority does not."""
        self.run_blocks("authority", "device", "gateway")
        self.assertTrue(self.gets_in(self.identity("device-0001")))
        self.assertFalse(self.gets_in(root().issue("stranger")))

    def test_gateway(self) -> None:
        """A device that trusts the gateway's authority trusts the gateway, by its name."""
        self.run_blocks("authority", "device", "gateway")
        gateway = self.identity("gateway")
        trusted = self.identity("gateway-ca").certificate
        for name, trust in (("gateway.example.com", True), ("other.example.com", False)):
            client = VerifiedHost(name, TrustRoots([trusted], system=False))
            self.assertEqual(shake_hands(client, gateway.server_options()).succeeded, trust)

    def test_rotation(self) -> None:
        """While both authorities are trusted, the devices of both get in."""
        self.run_blocks("authority", "device", "gateway", "rotation")
        successor = self.identity("ca-2030")
        for device in (self.identity("device-0001"), successor.issue("new", dns("new"))):
            self.assertTrue(self.gets_in(device, "ca-both.crt"))
        self.assertFalse(self.gets_in(self.identity("device-0001"), "ca-2030.crt"))

    def test_blacklist(self) -> None:
        """The blacklist keeps out the device."""
        self.run_blocks("authority", "device", "gateway", "blacklist")
        self.assertFalse(self.gets_in(self.identity("device-0001"), blacklist="blacklist"))
        self.assertEqual(self.refused, [Reason.BLACKLISTED])

    def test_revocation(self) -> None:
        """So does the revocation list, and it lets others in."""
        self.run_blocks("authority", "device", "gateway", "revocation")
        self.assertFalse(self.gets_in(self.identity("device-0001"), revocation_lists="ca.crl"))
        self.assertEqual(self.refused, [Reason.REVOKED])
        other = self.identity("ca").issue("other")
        self.assertTrue(self.gets_in(other, revocation_lists="ca.crl"))

    def test_all(self) -> None:
        """No command of the page is left out here."""
        tried = {"authority", "device", "gateway", "rotation", "blacklist", "revocation"}
        self.assertEqual(set(self.blocks), tried)
