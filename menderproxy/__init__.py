"""An open Mender Gateway: over-the-air updates for networks that must not touch the Internet."""

from __future__ import annotations

from typing import Any

from twisted.application.service import IService

from menderproxy._version import __version__
from menderproxy.config.load import ConfigError, load_config, parse_config
from menderproxy.config.model import GatewayConfig

__all__ = [
    "ConfigError",
    "GatewayConfig",
    "__version__",
    "gateway_service",
    "load_config",
    "parse_config",
]


def gateway_service(config: GatewayConfig, reactor: Any) -> IService:
    """
    Make a gateway that lives inside a Twisted application.

    Give it a parent (``setServiceParent``), or start and stop it yourself. Any number of them,
    each with a configuration of its own, can live in one process.

    :param reactor: the reactor to run on.
    :raises menderproxy.ConfigError: the configuration asks for what can't be done.
    :raises Exception: a certificate or the cache's directory can't be used; the text is one line
        that says which and why.
    """
    # Not at the top: this ends in twisted.web.proxy, which installs the default reactor when
    # it is imported, and whoever embeds us may want another one.
    from menderproxy.service import build

    return build(config, reactor)
