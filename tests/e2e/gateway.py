"""The gateway: our command as an administrator runs it, between WAN and LAN."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import menderproxy
from menderproxy.demo.certificates import ThrowAwayAuthority

from .mutual_tls import MutualTLS
from .network import GATEWAY_NAME, SERVER_NAME, STORE_NAME, Network, hosts
from .processes import CommandFailed, Program, run, running, until
from .requirements import program

CONFIGURATION = "mender-gateway.conf"
# Nobody but the gateway's own machine can ask there: no device gets around HTTPS.
_PROBED = "127.0.0.1:80"
_READY = f"http://{_PROBED}/api/internal/v1/gateway/ready"


@asynccontextmanager
async def gateway(
    network: Network,
    wan_authority: ThrowAwayAuthority,
    lan_authority: ThrowAwayAuthority,
    directory: Path,
    *,
    cache: bool,
    mutual_tls: MutualTLS | None,
    limits: Mapping[str, str],
) -> AsyncIterator[Program]:
    """
    Set up a gateway and run it, from the moment it is ready to serve devices.

    :param wan_authority: issued the server's and the store's certificates.
    :param lan_authority: issues the gateway's; the only one that devices trust.
    :param directory: for its files; it is created. Those that it is given go to ``etc`` in there.
    :param cache: whether it keeps artifacts.
    :param mutual_tls: whom it lets in; ``None`` is everybody.
    :param limits: those of the section ``Limits`` that are not to be the default ones.
    """
    etc = directory / "etc"
    etc.mkdir(parents=True)
    lan_authority.issue(GATEWAY_NAME).write(etc)
    (etc / "upstream.pem").write_bytes(wan_authority.certificate_pem)
    configuration = _configuration(directory, network.gateway_address, cache, mutual_tls)
    configuration["Limits"] = dict(limits)
    (etc / CONFIGURATION).write_text(json.dumps(configuration))
    (etc / "hosts").write_text(_hosts(network))
    async with serving(network, directory) as started:
        yield started


@asynccontextmanager
async def serving(network: Network, directory: Path) -> AsyncIterator[Program]:
    """
    Run a gateway that has been set up, for the first time or again.

    :param directory: with its files.
    """
    # A checkout that is not installed has its plugin found only when it is on the path.
    environment = {"PYTHONPATH": str(Path(menderproxy.__file__).parents[1])}
    command = _inside(network, directory, _twistd(directory))
    log = directory / "log"
    async with running(network.reactor, "the gateway", command, log, environment) as started:

        async def ready() -> bool:
            started.check_running()
            probe = ["curl", "--fail", "--silent", _READY]
            try:
                await run(network.reactor, *_inside(network, directory, probe))
            except CommandFailed:
                return False
            return True

        await until(network.reactor, ready, "the gateway is ready")
        yield started


def _inside(network: Network, directory: Path, command: list[str]) -> list[str]:
    return network.gateway.command(command, {"/etc/hosts": directory / "etc" / "hosts"})


def _twistd(directory: Path) -> list[str]:
    twistd = [program("twistd"), "--nodaemon", "--pidfile=", f"--rundir={directory}"]
    configuration = str(directory / "etc" / CONFIGURATION)
    return [*twistd, "mender-gateway", "--config", configuration, "--log-level", "debug"]


def _hosts(network: Network) -> str:
    return hosts(
        {
            SERVER_NAME: network.server_address,
            STORE_NAME: network.store_address,
            GATEWAY_NAME: network.gateway_address,
        }
    )


def _configuration(
    directory: Path, address: str, cache: bool, mutual_tls: MutualTLS | None
) -> dict[str, object]:
    etc = directory / "etc"
    return {
        "Features": {
            "mTLS": mutual_tls.section if mutual_tls else {"Enabled": False},
            "ArtifactsProxy": {
                "Enabled": True,
                "GatewayURL": f"https://{GATEWAY_NAME}",
                "DomainWhitelist": [STORE_NAME],
                "ArtifactsCache": {
                    "Enabled": cache,
                    "Path": str(directory / "cache"),
                    "SignatureSecret": b64encode(os.urandom(32)).decode(),
                    "LinkExpireDuration": "30m",
                },
            },
        },
        "HTTP": {"Enabled": True, "Listen": _PROBED},
        "HTTPS": {
            "Enabled": True,
            "Listen": f"{address}:443",
            "ServerCertificate": str(etc / "certificate.pem"),
            "ServerKey": str(etc / "key.pem"),
        },
        "UpstreamServer": {
            "URL": f"https://{SERVER_NAME}",
            "CACertificate": str(etc / "upstream.pem"),
        },
    }
