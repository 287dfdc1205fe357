"""The two agents of a configuration: for the Mender Server, and for the artifact stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from menderproxy.config.load import ConfigError
from menderproxy.config.model import GatewayConfig
from menderproxy.upstream.agent import Agent, Timeouts
from menderproxy.upstream.connector import AddressRule, Connector, Origin, any_address, bracketed
from menderproxy.upstream.proxies import ProxyRules, ProxyServer
from menderproxy.upstream.tls import TrustRoots, load_certificates
from menderproxy.upstream.upgrade import UpgradeAgent
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist

A = TypeVar("A", bound=Agent)


def mender_agent(config: GatewayConfig, reactor: Any) -> UpgradeAgent:
    """
    The agent for the Mender Server, wherever its operator put it.

    :raises ConfigError: the certificates to trust can't be read.
    """
    verify = not config.upstream_server.insecure_skip_verify
    return _agent(UpgradeAgent, config, reactor, allows=any_address, verify=verify)


def store_agent(config: GatewayConfig, reactor: Any, whitelist: Whitelist) -> Agent:
    """
    The agent for stores, whose addresses are checked as well, and whose certificates always are.

    :raises ConfigError: the certificates to trust can't be read.
    """

    def allows(address: str, origin: Origin) -> bool:
        authority = f"{bracketed(origin.host)}:{origin.port}"
        url = StoreURL(origin.scheme, origin.host, origin.port, authority, "/")
        return whitelist.allows_address(address, url)

    rate = config.features.artifacts_proxy.artifacts_cache.max_uplink_rate
    return _agent(Agent, config, reactor, allows=allows, verify=True, rate=rate)


def _agent(
    kind: type[A],
    config: GatewayConfig,
    reactor: Any,
    *,
    allows: AddressRule,
    verify: bool,
    rate: int = 0,
) -> A:
    limits = config.limits
    connector = Connector(
        reactor,
        trust=_trust(config.upstream_server.ca_certificate),
        verify=verify,
        allows=allows,
        proxies=_proxies(config),
        timeout=limits.upstream_connect_timeout,
        rate=rate,
    )
    timeouts = Timeouts(
        connect=limits.upstream_connect_timeout,
        response=limits.upstream_response_timeout,
        idle=limits.upstream_idle_timeout,
    )
    return kind(reactor, connector, timeouts=timeouts)


def _trust(path: str) -> TrustRoots:
    if not path:
        return TrustRoots()
    try:
        return TrustRoots(load_certificates(Path(path).read_bytes()))
    except OSError as error:
        reason = error.strerror
    except ValueError:
        reason = "not a PEM certificate"
    raise ConfigError(f"UpstreamServer.CACertificate: {path}: {reason}")


def _proxies(config: GatewayConfig) -> ProxyRules:
    settings = config.proxies
    return ProxyRules(
        http=ProxyServer.parse(settings.http) if settings.http else None,
        https=ProxyServer.parse(settings.https) if settings.https else None,
        no_proxy=settings.no_proxy,
    )
