"""From a configuration to the rooms, put together: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.application.service import IService
from twisted.web.resource import IResource

from menderproxy.assembly.artifacts import artifact_rooms
from menderproxy.assembly.devices import device_side
from menderproxy.assembly.metrics.server import MetricsServer
from menderproxy.assembly.metrics.sources import Sources
from menderproxy.assembly.provisioning import authentication
from menderproxy.assembly.world import World
from menderproxy.cache.artifacts import ArtifactCache
from menderproxy.cache.threads import DiskThreads
from menderproxy.config.model import GatewayConfig
from menderproxy.listen.endpoints import Listener
from menderproxy.listen.refusal import Reason, Refusals
from menderproxy.listen.reload import Reload
from menderproxy.ops.tally import Tally
from menderproxy.upstream.agent import Agent
from menderproxy.upstream.configured import mender_agent
from menderproxy.upstream.connector import Origin
from menderproxy.upstream.preauthorization import Decision
from menderproxy.web.bindings import TokenBindings
from menderproxy.web.forward import DeviceProxy, MenderServer
from menderproxy.web.health import Probe
from menderproxy.web.inventory import InventoryProxy
from menderproxy.web.site import GatewaySite
from menderproxy.web.tunnel import ConnectProxy
from menderproxy.wire.routes import Route
from menderproxy.wire.store_url import StoreURL

__all__ = ["Rooms", "World", "assemble"]

FORWARDED = (
    Route.AUTHENTICATION,
    Route.INVENTORY,
    Route.CONFIGURATION_DOWNLOAD,
    Route.DEPLOYMENT_STATUS,
    Route.DEPLOYMENT_LOG,
    Route.DEVICE_API,
    # Rewritten instead where the gateway hands out the artifacts itself.
    Route.NEXT_DEPLOYMENT,
    Route.ARTIFACT_LINK,
)


@attrs.frozen(kw_only=True)
class Rooms:
    """
    A gateway's parts, connected but not started.

    :param site: serves devices.
    :param listeners: where the site can be reached.
    :param agents: hold connections to the upstreams.
    :param threads: for all that waits for the cache's disk; those of low priority last.
    :param cache: ``None`` when it is off.
    :param reload: keeps TLS up to date; ``None`` without HTTPS.
    :param services: what else runs while the gateway does.
    :param metrics: what shows how it does; ``None`` when that is off.
    """

    site: GatewaySite
    listeners: tuple[Listener, ...]
    agents: tuple[Agent, ...]
    threads: tuple[DiskThreads, ...]
    cache: ArtifactCache | None
    reload: Reload | None
    services: tuple[IService, ...]
    metrics: MetricsServer | None


def assemble(config: GatewayConfig, reactor: Any, world: World, ready: Callable[[], bool]) -> Rooms:
    """
    Put a gateway together.

    :param ready: whether requests are wanted, for the readiness probe.
    :raises ConfigError: the configuration asks for what can't be done.
    :raises CertificateError: a certificate or key can't be used.
    :raises CacheDirectoryError: the cache's directory can't be used.
    """
    reasons, decisions = Tally[Reason](), Tally[Decision]()
    refusals = Refusals(reasons)
    devices = device_side(config, world, refusals)
    threads = DiskThreads(reactor)
    quiet_threads = DiskThreads(reactor, size=1, nice=10)
    agent = mender_agent(config, reactor)
    mender = _mender_server(config, agent)
    terminals = ConnectProxy(reactor, mender, config.limits.write_stall, agent)
    forward = DeviceProxy(reactor, mender, config.limits.write_stall)
    resources: dict[Route, IResource] = dict.fromkeys(FORWARDED, forward)
    resources[Route.ALIVE] = Probe(lambda: True)
    resources[Route.READY] = Probe(ready)
    resources[Route.CONNECT] = terminals
    if config.features.mtls.enabled:
        resources[Route.AUTHENTICATION] = authentication(config, reactor, world, mender, decisions)
    if config.features.device_system.enabled:
        resources[Route.INVENTORY] = InventoryProxy(
            reactor, mender, config.limits.write_stall, config.features.device_system
        )
    artifacts = None
    if config.features.artifacts_proxy.enabled:
        artifacts = artifact_rooms(config, reactor, world, mender, threads, quiet_threads)
        resources.update(artifacts.resources)
    site = GatewaySite(resources, config.limits, reactor, devices.admission, refusals)
    reload, review = devices.reload(reactor, world, site, threads), devices.review(reactor, site)
    sources = Sources(
        site=site,
        reasons=reasons,
        decisions=decisions,
        tunnels=lambda: terminals.tunnels,
        api=mender.agent,
        store=None if artifacts is None else artifacts.agent,
        relinker=None if artifacts is None else artifacts.relinker,
        cache=None if artifacts is None else artifacts.cache,
        reload=reload,
    )
    return Rooms(
        site=site,
        listeners=devices.listeners(config, reactor, world, site),
        agents=tuple(agent for agent in (sources.api, sources.store) if agent is not None),
        threads=(threads, quiet_threads),
        cache=sources.cache,
        reload=reload,
        services=tuple(service for service in (reload, review) if service is not None),
        metrics=_metrics_server(config, reactor, world, sources),
    )


def _metrics_server(
    config: GatewayConfig, reactor: Any, world: World, sources: Sources
) -> MetricsServer | None:
    if not config.metrics.enabled:
        return None
    # Not at the top: a small computer need not load what makes the metrics unless it shows them.
    from menderproxy.assembly.metrics.exposition import metrics_server

    return metrics_server(config, reactor, world, sources)


def _mender_server(config: GatewayConfig, agent: Agent) -> MenderServer:
    url = StoreURL.parse(config.upstream_server.url)
    mtls = config.features.mtls
    return MenderServer(
        agent,
        Origin(url.scheme, url.host, url.port),
        url.authority.encode("ascii"),
        TokenBindings() if mtls.enabled and mtls.bind_tokens else None,
    )
