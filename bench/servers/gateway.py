"""The gateway of this project, with default settings, and room for more connections."""

from __future__ import annotations

import json
import sys
import time
from base64 import b64encode
from pathlib import Path

import menderproxy
from bench.network import GATEWAY_ADDRESS, ORIGIN_ADDRESS
from bench.servers import PLAIN_PORT, TLS_PORT, Server, Site
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.store_url import StoreURL

_URL = f"https://{GATEWAY_ADDRESS}"
_SECRET = b"a secret for benchmarks only"


def _configure(site: Site) -> list[str]:
    cache = {
        "Enabled": True,
        "Path": str(site.directory / "cache"),
        "SignatureSecret": b64encode(_SECRET).decode(),
    }
    proxy = {
        "Enabled": True,
        "GatewayURL": _URL,
        "DomainWhitelist": [ORIGIN_ADDRESS],
        "ArtifactsCache": cache,
    }
    mutual = {"Enabled": site.mutual, "CACertificate": str(site.ca), "MenderToken": "a.b.c"}
    document = {
        "Features": {"ArtifactsProxy": proxy, "mTLS": mutual},
        "HTTP": {"Enabled": True, "Listen": f"{GATEWAY_ADDRESS}:{PLAIN_PORT}"},
        "HTTPS": {
            "Enabled": True,
            "Listen": f"{GATEWAY_ADDRESS}:{TLS_PORT}",
            "ServerCertificate": str(site.certificate),
            "ServerKey": str(site.key),
        },
        "Limits": {"MaxConnections": 16384, "MaxConnectionsPerAddress": 0},
        "UpstreamServer": {"URL": f"https://{ORIGIN_ADDRESS}", "CACertificate": str(site.ca)},
    }
    configuration = site.write("gateway.conf", json.dumps(document, indent=2))
    # twistd finds the plugin of a checkout that is not installed only on the path.
    path = f"PYTHONPATH={Path(menderproxy.__file__).parents[1]}"
    twistd = str(Path(sys.executable).with_name("twistd"))
    daemon = [twistd, "--nodaemon", "--pidfile=", f"--rundir={site.directory}"]
    return ["env", path, *daemon, "mender-gateway", "--config", str(configuration)]


def _local_link(artifact: str) -> str:
    store_url = StoreURL.parse(f"https://{ORIGIN_ADDRESS}{artifact}")
    return LinkSigner(_URL, _SECRET, 86400.0).sign(store_url, "bench", time.time())[len(_URL) :]


GATEWAY = Server(
    "menderproxy",
    "twistd",
    _configure,
    artifacts=frozenset({"plain", "tls", "mutual"}),
    api=frozenset({"plain", "tls", "mutual"}),
    target=_local_link,
)
