"""Deployment instructions: the places where a server tells a device what to download."""

from __future__ import annotations

from collections.abc import Callable

from menderproxy.wire.splice import find_string, replace_strings
from menderproxy.wire.store_url import StoreURL

Relink = Callable[[str, str], str | None]
"""Given a link and the artifact's name, returns the new link, or ``None`` to leave it."""

CONFIGURATION_PREFIX = "/api/devices/v1/deployments/download/configuration/"
"""Where the server itself makes configuration artifacts, anew for each device and request."""


def rewrite_instructions(body: bytes, relink: Relink) -> bytes | None:
    """
    Replace the download link in the answer to "is there a deployment for me?".

    :returns: the new body, or ``None`` when it is to be passed on as it is.
    """
    name = find_string(body, ("artifact", "artifact_name")) or ""
    return replace_strings(body, ("artifact", "source", "uri"), lambda uri: relink(uri, name))


def rewrite_download_link(body: bytes, relink: Relink) -> bytes | None:
    """
    Replace the link in the answer to a request for one artifact's link; it names no artifact.

    :returns: the new body, or ``None`` when it is to be passed on as it is.
    """
    return replace_strings(body, ("uri",), lambda uri: relink(uri, ""))


def gateway_origin_link(uri: str, gateway_url: str) -> str | None:
    """
    Move the link of a configuration artifact to the gateway, which proxies it to its server.

    Such a link names the server by whatever host it is published under, which its signature does
    not cover; path and query are signed and stay byte for byte.

    :param gateway_url: what devices reach the gateway by.
    :returns: ``None`` when *uri* is no such link.
    """
    try:
        url = StoreURL.parse(uri)
    except ValueError:
        return None
    if not url.path.startswith(CONFIGURATION_PREFIX):
        return None
    return gateway_url.rstrip("/") + url.target
