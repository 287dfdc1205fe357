"""Tests: what the gateway must know, nobody must find in what it writes."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

from menderproxy.demo.faults import Refuse
from menderproxy.demo.mender_server import DemoMenderServer

from .device import TENANT_TOKEN, Device
from .gateway import CONFIGURATION
from .installation import Installation
from .mutual_tls import SERVICE_PASSWORD
from .network import GATEWAY_NAME
from .testcase import EndToEndTestCase

MIB = 1 << 20
LINK = rf"https://{GATEWAY_NAME}/artifacts/(?P<payload>[\w-]+)/\S+?signature=(?P<mac>[\w-]+)"


class SecrecyTests(EndToEndTestCase):
    """Whoever reads what the gateway writes, even at log level debug, gains nothing by it."""

    async def test_update(self) -> None:
        """No password, token, link or key is in its log or its cache after an update."""
        tls = await self.mutual_tls()
        site = await self.install(mutual_tls=tls)
        # Trouble is what logs are most talkative about.
        site.server.management.faults.append(Refuse(503))
        await self.start(site, 1)
        device = await self.start(site, 2, await tls.authority.issue())
        device_token = (await site.connected(device)).token
        artifact = await site.release("release-1", MIB)
        site.deploy(artifact)
        await self.assert_updated(site, artifact, [device])
        for pattern in ("preauthorization failed: .* 503", "refused: no_certificate", "release-1"):
            await site.logged(pattern)
        secrets = {
            "password": {SERVICE_PASSWORD},
            "credential": credentials(site.server),
            "link": links(site, device),
            "key": keys(site.gateway_directory / "etc"),
        }
        # The rest are the gateway's token and what the device signed.
        self.assertLess({TENANT_TOKEN, device_token}, secrets["credential"])
        self.assertEqual(leaks(site.gateway_directory, secrets), [])


def leaks(gateway: Path, secrets: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """
    Search all files of the gateway but those that it was given.

    :param secrets: by their kind.
    :return: name of the file and kind of the secret.
    """
    written = [path for path in gateway.rglob("*") if gateway / "etc" not in path.parents]
    return [
        (path.name, kind)
        for path in written
        if path.is_file()
        for kind, values in secrets.items()
        if any(value.encode() in path.read_bytes() for value in values)
    ]


def credentials(server: DemoMenderServer) -> set[str]:
    """Give all that the server got to know who asks: tokens and signatures of every kind."""
    found = {device.token for device in server.devices.values() if device.token is not None}
    for seen in server.requests:
        for name in ("authorization", "x-men-signature"):
            found.update(value.split()[-1] for value in seen.headers.getRawHeaders(name, []))
    return found


def links(site: Installation, device: Device) -> set[str]:
    """Give the parts that count of all links: the gateway's, and the store's behind it."""
    # The device's log is not ours: it tells what the gateway gave it.
    own = re.search(LINK, device.client.output())
    assert own is not None, "the device was updated"
    [download] = site.store.accesses()
    query = parse_qs(download.query)
    store = {query[f"X-Amz-{name}"][0] for name in ("Credential", "Date", "Signature")}
    return {*own.groups(), *store, "X-Amz-"}


def keys(etc: Path) -> set[str]:
    """Give the gateway's own keys: the one that signs links, and that of its certificate."""
    proxy = json.loads((etc / CONFIGURATION).read_text())["Features"]["ArtifactsProxy"]
    secret = proxy["ArtifactsCache"]["SignatureSecret"]
    lines = {line for line in (etc / "key.pem").read_text().splitlines() if "-----" not in line}
    return lines | {secret, b64decode(secret).hex(), "PRIVATE KEY"}
