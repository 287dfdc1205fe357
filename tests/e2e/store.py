"""The artifact store: SeaweedFS, and before it nginx, which speaks TLS and keeps the books."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from menderproxy.demo.certificates import ThrowAwayAuthority

from .artifact import Artifact
from .network import STORE_NAME, Network
from .processes import Program, running, until
from .requirements import program
from .seaweed import S3_PORT, Seaweed, seaweed

_NGINX = """
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr;
events {{ }}
http {{
    client_body_temp_path {directory}/temporary;
    proxy_temp_path {directory}/temporary;
    fastcgi_temp_path {directory}/temporary;
    uwsgi_temp_path {directory}/temporary;
    scgi_temp_path {directory}/temporary;
    log_format books escape=json '{{"method": "$request_method", "path": "$uri", '
        '"query": "$args", "status": $status, "sent": $body_bytes_sent}}';
    access_log {directory}/access.log books;
    server {{
        listen {address}:443 ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://{address}:{s3_port};
            proxy_set_header Host $http_host;
            proxy_buffering off;
        }}
    }}
}}
"""


@attrs.frozen
class Access:
    """
    A request that the store has answered.

    :param query: with the signature of a presigned link.
    :param sent: bytes of the answer's body that went out.
    """

    method: str
    path: str
    query: str = attrs.field(repr=False)
    status: int
    sent: int


@attrs.frozen
class Store:
    """
    A running store; made by :func:`store`.

    :param nginx: what the store's clients talk to.
    :param access_log: kept by nginx, one JSON object a line.
    """

    _seaweed: Seaweed
    nginx: Program
    access_log: Path

    async def upload(self, artifact: Artifact) -> None:
        """Store an artifact under its id; it does not show in the books."""
        await self._seaweed.upload(artifact)

    def link(self, artifact_id: str) -> str:
        """Presign a link to an artifact."""
        return self._seaweed.link(artifact_id)

    def accesses(self) -> list[Access]:
        """Return the requests answered so far; one being answered is not among them."""
        lines = self.access_log.read_text().splitlines()
        return [Access(**json.loads(line)) for line in lines]


@asynccontextmanager
async def store(
    network: Network, authority: ThrowAwayAuthority, directory: Path
) -> AsyncIterator[Store]:
    """
    Run the store.

    :param authority: issues its certificate.
    :param directory: for its files; it is created.
    """
    directory.mkdir()
    certificate, key = authority.issue(STORE_NAME).write(directory)
    address, access_log = network.store_address, directory / "access.log"
    configuration = directory / "nginx.conf"
    configuration.write_text(
        _NGINX.format(
            directory=directory,
            address=address,
            s3_port=S3_PORT,
            certificate=certificate,
            key=key,
        )
    )
    command = [program("nginx"), "-c", str(configuration)]
    async with (
        seaweed(
            network.reactor, network.store, address, f"https://{STORE_NAME}", directory / "seaweed"
        ) as s3,
        running(
            network.reactor, "nginx", network.store.command(command), directory / "log"
        ) as nginx,
    ):

        def ready() -> bool:
            nginx.check_running()
            return (directory / "pid").exists()

        # nginx writes its pid after it has opened its ports.
        await until(network.reactor, ready, "nginx listens")
        yield Store(s3, nginx, access_log)
