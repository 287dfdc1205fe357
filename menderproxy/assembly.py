"""From a configuration to the rooms, put together: the one place that knows them all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_bytes
from typing import Any

import attrs
from twisted.logger import Logger
from twisted.web.resource import IResource

from menderproxy.cache.artifacts import ArtifactCache
from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.index import Index
from menderproxy.cache.inspection import Inspection
from menderproxy.cache.patience import Patience
from menderproxy.cache.room import Limits as CacheLimits
from menderproxy.cache.threads import DiskThreads
from menderproxy.cache.verification.artifact import load_verify_keys
from menderproxy.config.load import ConfigError
from menderproxy.config.model import ArtifactsCache, ArtifactsProxy, GatewayConfig
from menderproxy.listen.endpoints import Listener
from menderproxy.listen.tls import ServerTLS, server_options
from menderproxy.upstream.agent import Agent
from menderproxy.upstream.configured import mender_agent, store_agent
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.stores import Stores
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

FORWARDED = (
    Route.AUTHENTICATION,
    Route.INVENTORY,
    Route.CONNECT,
    Route.CONFIGURATION_DOWNLOAD,
    Route.DEPLOYMENT_STATUS,
    Route.DEPLOYMENT_LOG,
    Route.DEVICE_API,
    # Rewritten instead where the gateway hands out the artifacts itself.
    Route.NEXT_DEPLOYMENT,
    Route.ARTIFACT_LINK,
)

log = Logger()


@attrs.frozen
class World:
    """
    What the gateway takes from outside besides the reactor; tests give their own.

    :param now: Unix time.
    :param jitter: a random number from 0 to 1.
    """

    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random


@attrs.frozen(kw_only=True)
class Rooms:
    """
    A gateway's parts, connected but not started.

    :param site: serves devices.
    :param listeners: where the site can be reached.
    :param agents: hold connections to the upstreams.
    :param threads: for all that waits for the cache's disk; those of low priority last.
    :param cache: ``None`` when it is off.
    """

    site: GatewaySite
    listeners: tuple[Listener, ...]
    agents: tuple[Agent, ...]
    threads: tuple[DiskThreads, ...]
    cache: ArtifactCache | None


@attrs.frozen(kw_only=True)
class _ArtifactRooms:
    """What ``Features.ArtifactsProxy`` adds."""

    agent: Agent
    cache: ArtifactCache | None
    resources: Mapping[Route, IResource]


def assemble(config: GatewayConfig, reactor: Any, world: World, ready: Callable[[], bool]) -> Rooms:
    """
    Put a gateway together.

    :param ready: whether requests are wanted, for the readiness probe.
    :raises ConfigError: the configuration asks for what can't be done.
    :raises CertificateError: a certificate or key can't be used.
    :raises CacheDirectoryError: the cache's directory can't be used.
    """
    if config.features.mtls.enabled:
        # To run on without it would let in whoever connects.
        raise ConfigError("Features.mTLS.Enabled: True: not supported by this version")
    for key, enabled in (
        ("Features.DeviceSystem.Enabled", config.features.device_system.enabled),
        ("Metrics.Enabled", config.metrics.enabled),
    ):
        if enabled:
            log.warn("{key}: True: has no effect in this version", key=key)
    threads = DiskThreads(reactor)
    quiet_threads = DiskThreads(reactor, size=1, nice=10)
    mender = _mender_server(config, reactor)
    forward = DeviceProxy(reactor, mender, config.limits.write_stall)
    resources: dict[Route, IResource] = dict.fromkeys(FORWARDED, forward)
    resources[Route.ALIVE] = Probe(lambda: True)
    resources[Route.READY] = Probe(ready)
    agents: tuple[Agent, ...] = (mender.agent,)
    cache = None
    if config.features.artifacts_proxy.enabled:
        artifacts = _artifact_rooms(config, reactor, world, mender, threads, quiet_threads)
        resources.update(artifacts.resources)
        agents, cache = (*agents, artifacts.agent), artifacts.cache
    site = GatewaySite(resources, config.limits, reactor)
    return Rooms(
        site=site,
        listeners=tuple(_listeners(config, reactor, site)),
        agents=agents,
        threads=(threads, quiet_threads),
        cache=cache,
    )


def _mender_server(config: GatewayConfig, reactor: Any) -> MenderServer:
    url = StoreURL.parse(config.upstream_server.url)
    origin = Origin(url.scheme, url.host, url.port)
    return MenderServer(mender_agent(config, reactor), origin, url.authority.encode("ascii"))


def _listeners(config: GatewayConfig, reactor: Any, site: GatewaySite) -> list[Listener]:
    listeners = []
    if config.http.enabled:
        listeners.append(Listener(reactor, "HTTP.Listen", config.http.listen, site))
    if config.https.enabled:
        https = config.https
        options = server_options(
            https.server_certificate, https.server_key, https.minimum_tls_version
        )
        secure = ServerTLS(options).wrap(site, reactor)
        listeners.append(Listener(reactor, "HTTPS.Listen", https.listen, secure))
    return listeners


def _artifact_rooms(
    config: GatewayConfig,
    reactor: Any,
    world: World,
    mender: MenderServer,
    threads: DiskThreads,
    quiet_threads: DiskThreads,
) -> _ArtifactRooms:
    proxy = config.features.artifacts_proxy
    whitelist = _whitelist(proxy, mender.origin.host)
    agent = store_agent(config, reactor, whitelist)
    stores = Stores(agent, whitelist)
    directory, cache = None, None
    if proxy.artifacts_cache.enabled:
        directory = CacheDirectory(Path(proxy.artifacts_cache.path))
        inspector = _inspector(proxy.artifacts_cache, reactor, directory, quiet_threads)
        cache = _cache(proxy.artifacts_cache, reactor, world, directory, threads, stores, inspector)
    signer = LinkSigner(
        gateway_url=proxy.gateway_url,
        secret=_secret(proxy.artifacts_cache, directory),
        lifetime=proxy.artifacts_cache.link_expire_duration,
    )
    stall, hold = config.limits.write_stall, proxy.artifacts_cache.hold_timeout
    rules = LinkRules(signer, whitelist, world.now, proxy.artifacts_cache.resume_grace)
    passthrough = Passthrough(stores, reactor, hold=hold, stall=stall, jitter=world.jitter)
    seen = (lambda url: None) if cache is None else cache.remember
    relinker = Relinker(signer, whitelist, now=world.now, seen=seen)
    return _ArtifactRooms(
        agent=agent,
        cache=cache,
        resources={
            Route.ARTIFACT: ArtifactsResource(rules, cache, passthrough, hold=hold, stall=stall),
            Route.NEXT_DEPLOYMENT: DeploymentsProxy(
                reactor, mender, stall, relinker, rewrite_instructions
            ),
            Route.ARTIFACT_LINK: DeploymentsProxy(
                reactor, mender, stall, relinker, rewrite_download_link
            ),
        },
    )


def _whitelist(proxy: ArtifactsProxy, own_host: str) -> Whitelist:
    try:
        return Whitelist.parse(proxy.domain_whitelist, own_host=own_host)
    except ValueError as error:
        raise ConfigError(f"Features.ArtifactsProxy.DomainWhitelist: {error}") from None


def _cache(
    config: ArtifactsCache,
    reactor: Any,
    world: World,
    directory: CacheDirectory,
    threads: DiskThreads,
    stores: Stores,
    inspector: Callable[[Index], Inspection],
) -> ArtifactCache:
    return ArtifactCache(
        reactor,
        directory,
        threads,
        stores.fetch,
        now=world.now,
        jitter=world.jitter,
        patience=Patience(unwanted=config.hold_timeout),
        limits=CacheLimits(config.max_size, config.min_free),
        inspector=inspector,
    )


def _inspector(
    config: ArtifactsCache, reactor: Any, directory: CacheDirectory, threads: DiskThreads
) -> Callable[[Index], Inspection]:
    try:
        keys = load_verify_keys(config.artifact_verify_keys)
    except ValueError as error:
        raise ConfigError(
            f"Features.ArtifactsProxy.ArtifactsCache.ArtifactVerifyKeys: {error}"
        ) from None

    def inspector(index: Index) -> Inspection:
        return Inspection(
            reactor, threads, directory, index, keys=keys, interval=config.scrub_interval
        )

    return inspector


def _secret(config: ArtifactsCache, directory: CacheDirectory | None) -> bytes:
    """The key that signs links: configured, or made once and kept, or made for this run."""
    if config.signature_secret is not None:
        return config.signature_secret
    if directory is not None:
        return directory.secret()
    log.warn("no SignatureSecret and no cache to keep one in: links end with this process")
    return token_bytes(32)
