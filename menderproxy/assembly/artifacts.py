"""The parts that ``Features.ArtifactsProxy`` adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_bytes
from typing import Any

import attrs
from twisted.logger import Logger
from twisted.web.resource import IResource

from menderproxy.assembly.world import World
from menderproxy.cache.artifacts import ArtifactCache
from menderproxy.cache.directory import CacheDirectory
from menderproxy.cache.index import Index
from menderproxy.cache.inspection import Inspection
from menderproxy.cache.patience import Patience
from menderproxy.cache.room import Limits as CacheLimits
from menderproxy.cache.threads import DiskThreads
from menderproxy.cache.verification.artifact import load_verify_keys
from menderproxy.config.features import ArtifactsCache, ArtifactsProxy
from menderproxy.config.load import ConfigError
from menderproxy.config.model import GatewayConfig
from menderproxy.upstream.agent import Agent
from menderproxy.upstream.configured import store_agent
from menderproxy.upstream.stores import Stores
from menderproxy.upstream.uplink import Uplink
from menderproxy.web.artifacts import ArtifactsResource, LinkRules
from menderproxy.web.deployments import DeploymentsProxy
from menderproxy.web.forward import MenderServer
from menderproxy.web.passthrough import Passthrough
from menderproxy.web.relink import Relinker
from menderproxy.wire.deployment import rewrite_download_link, rewrite_instructions
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.routes import Route
from menderproxy.wire.whitelist import Whitelist

log = Logger()


@attrs.frozen(kw_only=True)
class ArtifactRooms:
    """What ``Features.ArtifactsProxy`` adds."""

    agent: Agent
    relinker: Relinker
    cache: ArtifactCache | None
    resources: Mapping[Route, IResource]


def artifact_rooms(
    config: GatewayConfig,
    reactor: Any,
    world: World,
    mender: MenderServer,
    threads: DiskThreads,
    quiet_threads: DiskThreads,
) -> ArtifactRooms:
    """
    Put the artifact proxy together, and the cache if it is on.

    :param threads: for the cache's disk.
    :param quiet_threads: the same for what nobody waits for.
    :raises ConfigError: the configuration asks for what can't be done.
    :raises CacheDirectoryError: the cache's directory can't be used.
    """
    proxy = config.features.artifacts_proxy
    whitelist = _whitelist(proxy, mender.origin.host)
    agent = store_agent(config, reactor, whitelist)
    uplink = _uplink(proxy.artifacts_cache, reactor, Stores(agent, whitelist))
    directory, cache = None, None
    if proxy.artifacts_cache.enabled:
        directory = CacheDirectory(Path(proxy.artifacts_cache.path), now=world.now)
        inspector = _inspector(proxy.artifacts_cache, reactor, directory, quiet_threads)
        cache = _cache(proxy.artifacts_cache, reactor, world, directory, threads, uplink, inspector)
    signer = LinkSigner(
        gateway_url=proxy.gateway_url,
        secret=_secret(proxy.artifacts_cache, directory),
        lifetime=proxy.artifacts_cache.link_expire_duration,
    )
    stall, hold = config.limits.write_stall, proxy.artifacts_cache.hold_timeout
    rules = LinkRules(signer, whitelist, world.now, proxy.artifacts_cache.resume_grace)
    passthrough = Passthrough(uplink, reactor, hold=hold, stall=stall, jitter=world.jitter)
    seen = (lambda url: None) if cache is None else cache.remember
    relinker = Relinker(signer, whitelist, now=world.now, seen=seen)
    return ArtifactRooms(
        agent=agent,
        relinker=relinker,
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


def _uplink(config: ArtifactsCache, reactor: Any, stores: Stores) -> Uplink:
    return Uplink(reactor, stores, rate=config.max_uplink_rate, at_once=config.max_downloads)


def _cache(
    config: ArtifactsCache,
    reactor: Any,
    world: World,
    directory: CacheDirectory,
    threads: DiskThreads,
    uplink: Uplink,
    inspector: Callable[[Index], Inspection],
) -> ArtifactCache:
    return ArtifactCache(
        reactor,
        directory,
        threads,
        uplink.fetch_in_turn,
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
