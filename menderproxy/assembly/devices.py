"""The parts that face devices: listeners, TLS and whom it lets in."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.application.internet import TimerService
from twisted.application.service import IService
from twisted.logger import Logger

from menderproxy.assembly.world import World
from menderproxy.cache.threads import DiskThreads
from menderproxy.config.model import GatewayConfig
from menderproxy.listen.admission import Admission
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.client_certificate import key_hash
from menderproxy.listen.credentials import CredentialFiles, Credentials, read_credentials
from menderproxy.listen.endpoints import Listener
from menderproxy.listen.refusal import Refusals
from menderproxy.listen.reload import Reload
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.tls import ServerTLS
from menderproxy.listen.transport import Ports, SecurePorts
from menderproxy.web.site import GatewaySite

log = Logger()

REVIEW_INTERVAL = 5.0
"""Seconds between two looks at who is connected, for certificates that end meanwhile."""


@attrs.frozen(kw_only=True)
class DeviceSide:
    """
    What is needed before there is a site, and to open its ports afterwards.

    :param admission: ``None`` without mutual TLS.
    :param tls: ``None`` without HTTPS.
    """

    refusals: Refusals
    admission: Admission | None
    tls: ServerTLS | None
    files: CredentialFiles
    credentials: Credentials | None

    def listeners(
        self, config: GatewayConfig, reactor: Any, world: World, site: GatewaySite
    ) -> tuple[Listener, ...]:
        """All ports that devices may come in by."""
        listeners = []
        if config.http.enabled:
            at, sockets = config.http.listen, world.sockets.get("http", ())
            plain = Ports(config.limits.max_unsent)
            listeners.append(
                Listener(reactor, "HTTP.Listen", at, site, sockets, ports=plain, for_probes=True)
            )
        if self.tls is not None:
            at, sockets = config.https.listen, world.sockets.get("https", ())
            secure = SecurePorts(self.tls, config.limits.max_unsent)
            listeners.append(Listener(reactor, "HTTPS.Listen", at, site, sockets, ports=secure))
        return tuple(listeners)

    def reload(
        self, reactor: Any, world: World, site: GatewaySite, threads: DiskThreads
    ) -> Reload | None:
        """What keeps TLS up to date; ``None`` without HTTPS."""
        tls, admission = self.tls, self.admission
        if tls is None or self.credentials is None:
            return None

        def apply(credentials: Credentials) -> None:
            tls.options, tls.authorities = credentials.options, credentials.authorities
            if admission is not None:
                admission.revocation = credentials.revocation
                admission.authorities = _keys(credentials)
            site.review()

        return Reload(
            reactor, self.files, self.credentials, apply, now=world.now, in_thread=threads.run
        )

    def review(self, reactor: Any, site: GatewaySite) -> IService | None:
        """What cuts devices whose certificates end; ``None`` without mutual TLS."""
        if self.admission is None:
            return None
        timer = TimerService(REVIEW_INTERVAL, site.review)
        timer.clock = reactor
        return timer


def device_side(config: GatewayConfig, world: World, refusals: Refusals) -> DeviceSide:
    """
    Read all that TLS needs.

    :raises CertificateError: a file can't be used.
    """
    files = _files(config)
    credentials = read_credentials(files) if config.https.enabled else None
    mtls = config.features.mtls
    admission = tls = None
    if mtls.enabled:
        nothing = Revocation(Blacklist.parse(b""), None, strict=True)
        revocation = nothing if credentials is None else credentials.revocation
        grace = mtls.insecure_skip_client_expire_after
        admission = Admission(
            revocation, grace=grace, now=world.now, authorities=_keys(credentials)
        )
    if credentials is not None:
        if credentials.identity.slow_key:
            log.warn(
                "HTTPS.ServerKey: {path}: {kind}: to sign each connection's handshake with one"
                " of the curve P-256 takes far less time",
                path=files.key,
                kind=credentials.identity.slow_key,
            )
        tls = ServerTLS(credentials.options, credentials.authorities, admission, refusals)
    return DeviceSide(
        refusals=refusals, admission=admission, tls=tls, files=files, credentials=credentials
    )


def _keys(credentials: Credentials | None) -> frozenset[bytes]:
    authorities = None if credentials is None else credentials.authorities
    trusted = () if authorities is None else authorities.certificates
    return frozenset(key_hash(certificate) for certificate in trusted)


def _files(config: GatewayConfig) -> CredentialFiles:
    https, mtls = config.https, config.features.mtls
    served = CredentialFiles(
        certificate=https.server_certificate,
        key=https.server_key,
        minimum_version=https.minimum_tls_version,
    )
    if not mtls.enabled:
        return served
    return attrs.evolve(
        served,
        authorities=mtls.ca_certificate,
        blacklist=mtls.blacklist_path,
        revocation_lists=mtls.crl_path,
        strict=mtls.crl_policy == "strict",
    )
