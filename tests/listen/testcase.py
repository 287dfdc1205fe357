"""All files that TLS depends on, to be changed, damaged and read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import attrs
from cryptography import x509
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.admission import Admission
from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.credentials import CredentialFiles, Credentials, read_credentials
from menderproxy.listen.refusal import Reason
from menderproxy.listen.reload import INTERVAL, Reload
from menderproxy.listen.tls import ServerTLS
from tests.certificates import Identity, dns, pem_of, root
from tests.handshake import Handshake, shake_hands
from tests.listen.test_handshake_matrix import Device
from tests.odd_certificates import revocation_list

T = TypeVar("T")


class CredentialsTestCase(SynchronousTestCase):
    """
    Has a gateway's files.

    :ivar authority: the one that the devices' certificates come from, and the server's too.
    :ivar server: what the gateway shows to devices.
    :ivar device: with a certificate that nobody has revoked.
    :ivar revoked: a device that its authority has revoked.
    """

    def setUp(self) -> None:
        """Write them."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.files = CredentialFiles(
            certificate=self.path("server.pem"),
            key=self.path("server.key"),
            authorities=self.path("authorities.pem"),
            blacklist=self.path("blacklist"),
            revocation_lists=self.path("lists.pem"),
        )
        self.authority = root("factory")
        self.device, self.revoked = self.authority.issue("device"), self.authority.issue("revoked")
        self.server = self.server_of("gateway")
        self.show(self.server)
        self.trust(self.authority)
        self.write("blacklist", b"A1\n")
        self.write("lists.pem", revocation_list(self.authority, self.revoked))

    def path(self, name: str) -> str:
        """Where a file is."""
        return str(self.folder / name)

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        (self.folder / name).write_bytes(content)

    def server_of(self, name: str) -> Identity:
        """Make a certificate for the gateway."""
        return self.authority.issue(name, dns("gateway.example"))

    def show(self, server: Identity) -> None:
        """Put a server's certificate and key in their files."""
        self.write("server.pem", server.chain_pem)
        self.write("server.key", server.key_pem)

    def trust(self, *authorities: Identity) -> None:
        """Put authorities in their bundle."""
        self.write("authorities.pem", b"".join(pem_of(each.certificate) for each in authorities))

    def read(self, last: Credentials | None = None, **changes: Any) -> Credentials:
        """Read all files, which may be other ones than those that there are at first."""
        return read_credentials(attrs.evolve(self.files, **changes), last)

    def reason(self, credentials: Credentials, device: Identity | None = None) -> Reason | None:
        """Tell why a device is refused, ``None`` if it is not."""
        leaf = self.device if device is None else device
        chain = [leaf.certificate, self.issuer_of(leaf)]
        refusal = credentials.revocation.refusal(ClientCertificate.from_chain(chain), time.time())
        return None if refusal is None else refusal.reason

    def issuer_of(self, device: Identity) -> x509.Certificate:
        """The certificate that a device's is verified with."""
        return device.issuers[0] if device.issuers else self.authority.certificate


class Threads:
    """
    Does work at once, or later: while *busy*, work waits.

    :ivar readings: how often all files were read.
    :ivar trouble: raised by all work, if set.
    """

    def __init__(self) -> None:
        self.busy = False
        self.readings = 0
        self.trouble: Exception | None = None
        self._waiting: list[Callable[[], object]] = []

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Do work."""
        if not self.busy:
            return maybeDeferred(self._do, work)
        done: Deferred[Any] = Deferred()
        self._waiting.append(lambda: maybeDeferred(self._do, work).chainDeferred(done))
        return done

    def finish(self) -> None:
        """Do the work that waits now, but none that comes of it."""
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()

    def _do(self, work: Callable[[], T]) -> T:
        if self.trouble is not None:
            raise self.trouble
        result = work()
        self.readings += isinstance(result, Credentials)
        return result


class ReloadTestCase(CredentialsTestCase):
    """
    Has a gateway whose files were all written some time ago.

    :ivar now: the time of day, which goes on only when a test says so.
    :ivar applied: whatever has come into force after the start.
    """

    def setUp(self) -> None:
        """Start to look at the files."""
        super().setUp()
        self.now = time.time() + 60
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.start()

    def start(self) -> None:
        """Start another one."""
        self.clock = Clock()
        self.threads = Threads()
        self.applied: list[Credentials] = []
        credentials = self.read()
        self.admission = Admission(credentials.revocation, grace=None, now=time.time)
        self.tls = ServerTLS(credentials.options, credentials.authorities, self.admission)
        self.reload = Reload(
            self.clock,
            self.files,
            credentials,
            self.apply,
            now=lambda: self.now,
            in_thread=self.threads,
        )
        self.reload.startService()

    def apply(self, credentials: Credentials) -> None:
        """Put in force what has been read."""
        self.applied.append(credentials)
        self.tls.options = credentials.options
        self.tls.authorities = credentials.authorities
        self.admission.revocation = credentials.revocation

    def write(self, name: str, content: bytes) -> None:
        """Write a file in place, at a time of its own however coarse the machine's clock is."""
        super().write(name, content)
        self.written = getattr(self, "written", 0) + 1
        os.utime(self.folder / name, (self.written, self.written))

    def look(self) -> None:
        """Let time pass until the next look."""
        self.clock.advance(INTERVAL)

    def look_often(self) -> None:
        """Let many looks pass, but not a retry."""
        for _ in range(5):
            self.look()

    def connect(self, device: Identity | None = None) -> Handshake:
        """Let a device connect, the good one unless said otherwise."""
        return shake_hands(Device(device or self.device, "1.3"), self.tls)

    def shown(self) -> str:
        """Name the server as it is shown to the next device."""
        certificate = self.connect().established.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        return certificate.subject.rfc4514_string()

    def errors(self) -> list[str]:
        """Give the errors logged so far."""
        errors = [event for event in self.events if event["log_level"] is LogLevel.error]
        return [formatEvent(event) for event in errors]

    def told(self) -> list[str]:
        """Give what was said to have come into force."""
        told = [formatEvent(event) for event in self.events]
        return [line for line in told if line.startswith("in force now: ")]
