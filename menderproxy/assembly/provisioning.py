"""The parts that have devices accepted at the Mender Server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web.resource import IResource

from menderproxy.assembly.world import World
from menderproxy.config.features import MutualTLS
from menderproxy.config.model import GatewayConfig
from menderproxy.upstream.control import control_client
from menderproxy.upstream.management import Management
from menderproxy.upstream.preauthorization import Decision, Preauthorization
from menderproxy.upstream.session import (
    AccessToken,
    Credentials,
    Given,
    InFile,
    Session,
    UserAccount,
)
from menderproxy.web.authentication import AuthenticationProxy
from menderproxy.web.forward import MenderServer


def authentication(
    config: GatewayConfig,
    reactor: Any,
    world: World,
    mender: MenderServer,
    decided: Callable[[Decision], object],
) -> IResource:
    """
    What answers devices that ask for a token, while mutual TLS is on.

    :param decided: told of each decision about a device.
    """
    mtls = config.features.mtls
    credentials = _credentials(mtls)
    preauthorization = None
    if credentials is not None:
        client = control_client(reactor, mender.agent, mender.origin, mender.authority)
        management = Management(client, Session(client, credentials, reactor), reactor)
        preauthorization = Preauthorization(
            management, reactor, world.jitter, cache=mtls.enable_cache, decided=decided
        )
    return AuthenticationProxy(
        reactor,
        mender,
        config.limits.write_stall,
        preauthorization,
        same_key=mtls.require_same_key,
    )


def _credentials(mtls: MutualTLS) -> Credentials | None:
    if mtls.mender_token:
        return AccessToken(Given(mtls.mender_token))
    if mtls.mender_token_file:
        return AccessToken(InFile(mtls.mender_token_file))
    if mtls.mender_username and mtls.mender_password_file:
        return UserAccount(mtls.mender_username, InFile(mtls.mender_password_file))
    if mtls.mender_username and mtls.mender_password:
        return UserAccount(mtls.mender_username, Given(mtls.mender_password))
    return None
