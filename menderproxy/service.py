"""The gateway as a service: the one place that knows every room, start and stop in order."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes
from typing import Any

import attrs
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger
from twisted.web.resource import IResource

from menderproxy._version import __version__
from menderproxy.cache.artifacts import ArtifactCache
from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.download import Patience
from menderproxy.cache.errors import CacheDirectoryError
from menderproxy.cache.threads import DiskThreads
from menderproxy.config.load import ConfigError
from menderproxy.config.model import ArtifactsProxy, GatewayConfig
from menderproxy.listen.endpoints import Listener, ListenError
from menderproxy.listen.tls import CertificateError, ServerTLS, server_options
from menderproxy.upstream.agent import Agent, Timeouts
from menderproxy.upstream.connector import Connector, Origin, bracketed
from menderproxy.upstream.proxies import ProxyRules, ProxyServer
from menderproxy.upstream.stores import Stores
from menderproxy.upstream.tls import TrustRoots, load_certificates
from menderproxy.web.artifacts import ArtifactsResource, LinkRules
from menderproxy.web.deployments import DeploymentsProxy
from menderproxy.web.forward import DeviceProxy, MenderServer
from menderproxy.web.health import Probe
from menderproxy.web.passthrough import Passthrough
from menderproxy.web.relink import Relinker
from menderproxy.web.site import GatewaySite
from menderproxy.wire.deployment import rewrite_download_link, rewrite_instructions
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.routes import Route
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist

START_ERRORS = (ConfigError, CertificateError, ListenError, CacheDirectoryError)
"""What keeps a gateway from starting; each says in one line where and why."""

FORWARDED = (
    Route.AUTHENTICATION,
    Route.INVENTORY,
    Route.CONNECT,
    Route.CONFIGURATION_DOWNLOAD,
    Route.DEPLOYMENT_STATUS,
    Route.DEPLOYMENT_LOG,
    Route.DEVICE_API,
)
CLOSE_TIMEOUT = 2.0


@attrs.frozen
class World:
    """
    What the gateway takes from outside besides the reactor; tests give their own.

    :param now: Unix time.
    :param jitter: a random number from 0 to 1.
    """

    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random


class GatewayService(Service):
    """
    One gateway.

    :ivar listeners: its listening ports.
    :ivar site: its HTTP server.
    :ivar cache: its artifact cache, when that is on.
    """

    log = Logger()

    def __init__(self, config: GatewayConfig, reactor: Any, world: World):
        self._config = config
        self._reactor = reactor
        self._world = world
        self._ready = False
        self._threads = DiskThreads(reactor)
        self._mender = _mender_server(config, reactor)
        self._store_agent: Agent | None = None
        self.cache: ArtifactCache | None = None
        self.site = GatewaySite(self._resources(), config.limits, reactor)
        self.listeners = self._listeners()

    def privilegedStartService(self) -> None:
        """
        Open the ports.

        :raises ListenError: one can't be opened; then none is.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            for listener in self.listeners:
                listener.privilegedStartService()
        except ListenError:
            self._stop_listening()
            raise

    def startService(self) -> None:
        """
        Serve devices.

        :raises ListenError: a port can't be opened.
        :raises CacheDirectoryError: the cache's directory can't be used.
        """
        self.log.info("starting mender-gateway {version}", version=__version__)
        for warning in self._config.warnings:
            self.log.warn("{warning}", warning=warning)
        self.privilegedStartService()
        try:
            if self.cache is not None:
                self.cache.startService()
        except CacheDirectoryError:
            self._stop_listening()
            raise
        self._threads.startService()
        super().startService()  # type: ignore[no-untyped-call]
        for listener in self.listeners:
            listener.startService()
        self.site.draining = False
        self._ready = True
        self.log.info("running...")

    def stopService(self) -> Deferred[None]:
        """Let the requests in progress end, within the limit; then close everything."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._ready = False
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.log.info("draining")
        await self._stop_listening()
        await self.site.drain(self._config.limits.drain_timeout)
        if self.cache is not None:
            await self.cache.stop()
        for agent in (self._mender.agent, self._store_agent):
            if agent is not None:
                closing = Deferred.fromCoroutine(agent.close())
                # A TLS peer may keep us waiting for its goodbye.
                closing.addTimeout(CLOSE_TIMEOUT, self._reactor)
                closing.addErrback(lambda _: None)
                await closing
        self._threads.stopService()
        self.log.info("stopped")

    def _stop_listening(self) -> Deferred[Any]:
        return DeferredList([maybeDeferred(one.stopService) for one in self.listeners])

    # The rooms, put together

    def _resources(self) -> dict[Route, IResource]:
        stall = self._config.limits.write_stall
        forward = DeviceProxy(self._reactor, self._mender, stall)
        resources: dict[Route, IResource] = dict.fromkeys(FORWARDED, forward)
        resources[Route.NEXT_DEPLOYMENT] = resources[Route.ARTIFACT_LINK] = forward
        resources[Route.ALIVE] = Probe(lambda: True)
        resources[Route.READY] = Probe(lambda: self._ready)
        if self._config.features.artifacts_proxy.enabled:
            resources.update(self._artifact_resources(self._config.features.artifacts_proxy))
        return resources

    def _artifact_resources(self, config: ArtifactsProxy) -> dict[Route, IResource]:
        stall = self._config.limits.write_stall
        hold = config.artifacts_cache.hold_timeout
        now = self._world.now
        whitelist = self._whitelist(config)
        self._store_agent, stores = _stores(self._config, self._reactor, whitelist)
        directory = None
        if config.artifacts_cache.enabled:
            directory = CacheDirectory(Path(config.artifacts_cache.path))
            self.cache = self._artifact_cache(directory, stores, hold)
        signer = LinkSigner(
            gateway_url=config.gateway_url,
            secret=_secret(config, directory, self.log),
            lifetime=config.artifacts_cache.link_expire_duration,
        )
        relinker = Relinker(signer, whitelist, now=now, seen=self._seen)
        rules = LinkRules(signer, whitelist, now, config.artifacts_cache.resume_grace)
        passthrough = Passthrough(
            stores, self._reactor, hold=hold, stall=stall, jitter=self._world.jitter
        )
        polls = (
            (Route.NEXT_DEPLOYMENT, rewrite_instructions),
            (Route.ARTIFACT_LINK, rewrite_download_link),
        )
        return {
            Route.ARTIFACT: ArtifactsResource(
                rules, self.cache, passthrough, hold=hold, stall=stall
            ),
            **{
                route: DeploymentsProxy(self._reactor, self._mender, stall, relinker, rewrite)
                for route, rewrite in polls
            },
        }

    def _seen(self, url: StoreURL) -> None:
        if self.cache is not None:
            self.cache.remember(url)

    def _whitelist(self, config: ArtifactsProxy) -> Whitelist:
        try:
            return Whitelist.parse(config.domain_whitelist, own_host=self._mender.origin.host)
        except ValueError as error:
            raise ConfigError(f"Features.ArtifactsProxy.DomainWhitelist: {error}") from None

    def _artifact_cache(
        self, directory: CacheDirectory, stores: Stores, hold: float
    ) -> ArtifactCache:
        return ArtifactCache(
            self._reactor,
            directory,
            self._threads,
            stores.fetch,
            now=self._world.now,
            jitter=self._world.jitter,
            patience=Patience(unwanted=hold),
        )

    def _listeners(self) -> list[Listener]:
        listeners = []
        config = self._config
        if config.http.enabled:
            listeners.append(
                Listener(self._reactor, "HTTP.Listen", config.http.listen, lambda: self.site)
            )
        if config.https.enabled:
            https = config.https
            tls = ServerTLS(
                server_options(
                    https.server_certificate, https.server_key, https.minimum_tls_version
                )
            )
            listeners.append(
                Listener(
                    self._reactor,
                    "HTTPS.Listen",
                    https.listen,
                    lambda: tls.wrap(self.site, self._reactor),
                )
            )
        return listeners


def build(config: GatewayConfig, reactor: Any, world: World | None = None) -> IService:
    """
    Make a gateway; see :func:`menderproxy.gateway_service`.

    :raises ConfigError: the configuration asks for what can't be done.
    :raises CertificateError: a certificate or key can't be used.
    :raises CacheDirectoryError: the cache's directory can't be used.
    """
    if config.features.mtls.enabled:
        # To run on without it would let in whoever connects.
        raise ConfigError("Features.mTLS.Enabled: True: not supported by this version")
    return GatewayService(config, reactor, World() if world is None else world)


def _mender_server(config: GatewayConfig, reactor: Any) -> MenderServer:
    url = StoreURL.parse(config.upstream_server.url)
    connector = Connector(
        reactor,
        trust=_trust(config),
        verify=not config.upstream_server.insecure_skip_verify,
        proxies=_proxies(config),
        timeout=config.limits.upstream_connect_timeout,
    )
    origin = Origin(url.scheme, url.host, url.port)
    return MenderServer(
        Agent(reactor, connector, timeouts=_timeouts(config)), origin, url.authority.encode("ascii")
    )


def _stores(config: GatewayConfig, reactor: Any, whitelist: Whitelist) -> tuple[Agent, Stores]:
    def allows(address: str, origin: Origin) -> bool:
        authority = f"{bracketed(origin.host)}:{origin.port}"
        url = StoreURL(origin.scheme, origin.host, origin.port, authority, "/")
        return whitelist.allows_address(address, url)

    connector = Connector(
        reactor,
        trust=_trust(config),
        allows=allows,
        proxies=_proxies(config),
        timeout=config.limits.upstream_connect_timeout,
    )
    agent = Agent(reactor, connector, timeouts=_timeouts(config))
    return agent, Stores(agent, whitelist)


def _trust(config: GatewayConfig) -> TrustRoots:
    path = config.upstream_server.ca_certificate
    if not path:
        return TrustRoots()
    try:
        return TrustRoots(load_certificates(Path(path).read_bytes()))
    except OSError as error:
        reason = error.strerror
    except ValueError:
        reason = "not a PEM certificate"
    raise CertificateError(f"UpstreamServer.CACertificate: {path}: {reason}")


def _proxies(config: GatewayConfig) -> ProxyRules:
    settings = config.proxies
    return ProxyRules(
        http=ProxyServer.parse(settings.http) if settings.http else None,
        https=ProxyServer.parse(settings.https) if settings.https else None,
        no_proxy=settings.no_proxy,
    )


def _timeouts(config: GatewayConfig) -> Timeouts:
    limits = config.limits
    return Timeouts(
        connect=limits.upstream_connect_timeout,
        response=limits.upstream_response_timeout,
        idle=limits.upstream_idle_timeout,
    )


def _secret(config: ArtifactsProxy, directory: CacheDirectory | None, log: Logger) -> bytes:
    """The key that signs links: configured, or made once and kept, or made for this run."""
    secret = config.artifacts_cache.signature_secret
    if secret is not None:
        return secret
    if directory is not None:
        return directory.secret()
    log.warn("no SignatureSecret and no cache to keep one in: links end with this process")
    return token_bytes(32)
