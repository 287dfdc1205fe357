"""Devices with certificates, in memory."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.web.resource import IResource

from menderproxy.listen.admission import Admission
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.client_certificate import ClientCertificate
from menderproxy.listen.refusal import Reason, Refusals
from menderproxy.listen.revocation import Revocation
from menderproxy.web.site import GatewaySite
from menderproxy.wire.routes import Route
from tests.certificates import DAY, Identity, root
from tests.web.device import Device
from tests.web.testcase import LIMITS, SiteTestCase


class MutualTLSTestCase(SiteTestCase):
    """
    Has a site that serves devices with certificates of one authority only.

    :ivar refused: the reasons of all refusals so far.
    """

    def setUp(self) -> None:
        """Make the authority."""
        self.authority = root("device authority")
        self.refused: list[Reason] = []
        self.now = self.authority.certificate.not_valid_before_utc.timestamp() + 2 * 86400.0
        self.admission = Admission(self.revoking(b""), grace=None, now=self.tell_time)
        super().setUp()

    def tell_time(self) -> float:
        """Give Unix time, which the clock of the site moves on."""
        return self.now + self.clock.seconds()

    def revoking(self, blacklist: bytes) -> Revocation:
        """Make what a blacklist comes to."""
        return Revocation(Blacklist.parse(blacklist), None, strict=True)

    def site_with(self, resources: Mapping[Route, IResource], **limits: object) -> GatewaySite:
        """Make a site with mutual TLS."""
        refusals = Refusals(self.refused.append)
        return GatewaySite(resources, LIMITS, self.clock, self.admission, refusals)

    def certified(self, identity: Identity | None = None) -> Device:
        """Let a device connect whose certificate passed the handshake."""
        identity = self.authority.issue("device") if identity is None else identity
        device = self.device(secure=True)
        device.channel.has_shaken_hands = True
        device.channel.certificate = certificate_of(identity, self.authority)
        return device

    def lasting(self, days: float) -> Identity:
        """Issue a certificate that ends some days from now on."""
        return self.authority.issue("device", until=days * DAY)


def certificate_of(identity: Identity, authority: Identity) -> ClientCertificate:
    """What the handshake tells of a device."""
    return ClientCertificate.from_chain([identity.certificate, authority.certificate])
