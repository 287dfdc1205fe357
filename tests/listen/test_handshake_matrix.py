"""Which device gets in by its certificate: every kind of the zoo, by every version of TLS."""

from __future__ import annotations

import time

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.logger import capturedLogs
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from zope.interface import implementer

from menderproxy.listen.admission import Admission
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.client_certificate import loggable_name, serial_text
from menderproxy.listen.handshake import handshake_refusal
from menderproxy.listen.identity import ClientAuthorities, ServerIdentity
from menderproxy.listen.refusal import Reason, Refusals
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.revocation_lists import RevocationLists
from menderproxy.listen.tls import ServerTLS, client_certificate, server_options
from tests.certificate_zoo import REFUSED, Maker, kinds
from tests.certificates import Identity, root
from tests.handshake import shake_hands
from tests.odd_certificates import UNSPEAKABLE, Unavailable
from tests.specimens import Specimen

VERSIONS = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
ADDRESS = "198.51.100.1"
_SERVER = root("gateway root").issue("gateway")
GATEWAY = ServerIdentity((_SERVER.certificate,), _SERVER.key)  # type: ignore[arg-type]


@implementer(IOpenSSLClientConnectionCreator)
class Device:
    """
    A device that speaks one version, and sends its certificate however weak that is.

    It does not look at the server's: that is tested elsewhere.
    """

    def __init__(self, identity: Identity | None, version: str):
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._context.set_min_proto_version(VERSIONS[version])
        self._context.set_max_proto_version(VERSIONS[version])
        self._context.set_cipher_list(b"ALL:@SECLEVEL=0")
        if identity is not None:
            self._context.use_certificate(crypto.X509.from_cryptography(identity.certificate))
            key = crypto.PKey.from_cryptography_key(identity.key)  # type: ignore[arg-type]
            self._context.use_privatekey(key)
            for issuer in identity.issuers:
                self._context.add_extra_chain_cert(crypto.X509.from_cryptography(issuer))

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make a connection."""
        return SSL.Connection(self._context, None)


class Meeting:
    """
    What comes of a device before a gateway.

    :param minimum: the oldest version of TLS that the gateway speaks.

    :ivar ends: both ends of their connection.
    :ivar reasons: the refusals as they were counted.
    :ivar details: the refusals as they were logged.
    """

    def __init__(self, specimen: Specimen, version: str, minimum: str):
        self.reasons: list[Reason] = []
        admission = Admission(_revocation(specimen), grace=specimen.grace, now=time.time)
        refusals = Refusals(self.reasons.append)
        authorities = ClientAuthorities(specimen.bundle)
        options = server_options(GATEWAY, minimum, authorities)
        server = ServerTLS(options, authorities, admission, refusals)
        with capturedLogs() as events:
            self.ends = shake_hands(Device(specimen.identity, version), server)
            if self.ends.server.error is not None:
                # As the owner of the connection does.
                refusal = handshake_refusal(Failure(self.ends.server.error))
                if refusal is not None:
                    refusals.record(refusal, ADDRESS)
        self.details = [event["detail"] for event in events if "detail" in event]


def _revocation(specimen: Specimen) -> Revocation:
    files = [("lists.pem", specimen.lists)] if specimen.lists else []
    lists = RevocationLists.load(files, specimen.bundle) if files else None
    return Revocation(Blacklist.parse(specimen.blacklist), lists, strict=True)


class MatrixTestCase(SynchronousTestCase):
    """Has what both outcomes need."""

    def meet(self, make: Maker, version: str, minimum: str) -> tuple[Specimen, Meeting]:
        """Let a device meet a gateway; neither may fail in any unforeseen way."""
        try:
            specimen = make()
        except Unavailable as error:
            raise SkipTest(str(error)) from None
        meeting = Meeting(specimen, version, minimum)
        self.assertEqual(self.flushLoggedErrors(), [])
        return specimen, meeting

    def accepted(self, make: Maker, version: str, minimum: str) -> None:
        """Check that a device gets in, and is known afterwards."""
        specimen, meeting = self.meet(make, version, minimum)
        server = meeting.ends.server
        self.assertTrue(meeting.ends.succeeded, (server.error, meeting.details))
        self.assertEqual(meeting.reasons, [])
        assert specimen.identity is not None
        known = client_certificate(server.transport)
        self.assertEqual(str(known), described(specimen.identity.certificate))

    def refused(self, make: Maker, reason: Reason, version: str, minimum: str) -> None:
        """Check that a device is kept out, for this reason, and none of its data gets in."""
        specimen, meeting = self.meet(make, version, minimum)
        client, server = meeting.ends.client, meeting.ends.server
        self.assertEqual(meeting.reasons, [reason], meeting.details)
        self.assertEqual((server.tls, server.data, client.data), (None, b"", b""))
        self.assertIsInstance(server.error, SSL.Error)
        self.assertIsInstance(client.error, SSL.Error)
        # A TLS 1.3 client is through with its handshake before the server looks at it.
        self.assertEqual(client.tls is not None, version == "1.3")
        [detail] = meeting.details
        self.assertNotIn("\n", detail)
        if reason not in (Reason.NO_CERTIFICATE, Reason.HANDSHAKE):
            assert specimen.culprit is not None
            self.assertIn(described(specimen.culprit) + ": ", detail)


def described(certificate: x509.Certificate) -> str:
    """A certificate as logs name it."""
    serial = serial_text(certificate.serial_number)
    names = loggable_name(certificate.subject), loggable_name(certificate.issuer)
    return f"certificate {serial} of {names[0]} by {names[1]}"


def add(
    case: type[MatrixTestCase],
    name: str,
    make: Maker,
    reason: Reason | None,
    version: str,
    minimum: str,
) -> None:
    """Add the test of one kind of certificate by one version of TLS."""
    if version == "1.3" and name.startswith(UNSPEAKABLE):
        reason = Reason.NO_CERTIFICATE

    def test(self: MatrixTestCase) -> None:
        if reason is None:
            self.accepted(make, version, minimum)
        else:
            self.refused(make, reason, version, minimum)

    outcome = "gets in" if reason is None else f"is refused ({reason.value})"
    test.__doc__ = f"By TLS {version} a device of the kind {name} {outcome}."
    test.__name__ = f"test_{name}_tls_{version.replace('.', '_')}"
    setattr(case, test.__name__, test)


class DefaultTests(MatrixTestCase):
    """Every kind, by the versions that the gateway speaks unless told otherwise."""


class OldVersionTests(MatrixTestCase):
    """
    What is weak, where the configuration asks for TLS 1.0.

    OpenSSL needs a security level for that at which it takes anything.
    """


WEAK_ONES = {*REFUSED[Reason.WEAK_KEY], *REFUSED[Reason.WEAK_SIGNATURE]}
OTHERS = {"none", "expired", "of_stranger", "ec_p256_by_ec_p256", "rsa_2048_by_rsa_2048"}

for _name, _make, _reason in kinds():
    for _version in ("1.2", "1.3"):
        add(DefaultTests, _name, _make, _reason, _version, "1.2")
    if _name in WEAK_ONES | OTHERS:
        for _version in VERSIONS:
            add(OldVersionTests, _name, _make, _reason, _version, "1.0")
