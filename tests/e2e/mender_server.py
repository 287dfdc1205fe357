"""The upstream Mender Server: the demo's, in the test process, with remote terminals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.web.server import Site

from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.demo.mender_server import DemoMenderServer
from menderproxy.demo.sessions import Sessions

from .network import SERVER_NAME, Network
from .store import Store
from .terminal_server import TerminalServer


@asynccontextmanager
async def mender_server(
    network: Network,
    store: Store,
    authority: ThrowAwayAuthority,
    versions: frozenset[int],
    passwords: Mapping[str, str],
) -> AsyncIterator[tuple[DemoMenderServer, TerminalServer]]:
    """
    Run the server; it listens on the WAN.

    :param store: where the links point that it gives out.
    :param authority: issues its certificate.
    :param versions: of the deployments API that it knows.
    :param passwords: of its users; when it has any, new devices wait for one of them.
    """
    server = DemoMenderServer(
        link=lambda release: store.link(release.artifact_id),
        versions=versions,
        auto_accept=not passwords,
        sessions=Sessions(passwords),
    )
    options = authority.issue(SERVER_NAME).server_options()
    endpoint = SSL4ServerEndpoint(network.reactor, 443, options, interface=network.server_address)
    terminals = TerminalServer(network.reactor, server)
    site = Site(terminals, reactor=network.reactor)
    port = await endpoint.listen(site)
    try:
        yield server, terminals
    finally:
        await port.stopListening()
