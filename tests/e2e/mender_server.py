"""The upstream Mender Server: the demo's, in the test process, listening on the WAN."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.web.server import Site

from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.demo.mender_server import DemoMenderServer

from .network import SERVER_NAME, Network
from .store import Store


@asynccontextmanager
async def mender_server(
    network: Network,
    store: Store,
    authority: ThrowAwayAuthority,
    versions: frozenset[int],
) -> AsyncIterator[DemoMenderServer]:
    """
    Run the server.

    :param store: where the links point that it gives out.
    :param authority: issues its certificate.
    :param versions: of the deployments API that it knows.
    """
    server = DemoMenderServer(
        link=lambda release: store.link(release.artifact_id), versions=versions
    )
    options = authority.issue(SERVER_NAME).server_options()
    endpoint = SSL4ServerEndpoint(network.reactor, 443, options, interface=network.server_address)
    site = Site(server, reactor=network.reactor)
    port = await endpoint.listen(site)
    try:
        yield server
    finally:
        await port.stopListening()
