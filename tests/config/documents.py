"""Documents that tests start from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from menderproxy.config.load import ConfigError, parse_config
from menderproxy.config.model import GatewayConfig

SMALLEST: dict[str, Any] = {
    "HTTP": {"Enabled": True},
    "UpstreamServer": {"URL": "https://mender.example.com"},
}
"""The least that makes a gateway."""


def nested(path: str, value: object) -> dict[str, Any]:
    """Give the document with *value* at a dotted path, and nothing else."""
    head, dot, rest = path.partition(".")
    return {head: nested(rest, value) if dot else value}


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Give the document with the keys of both; *other* wins."""
    return {
        **one,
        **{
            key: merged(one[key], value)
            if isinstance(value, dict) and isinstance(one.get(key), dict)
            else value
            for key, value in other.items()
        },
    }


def config_with(*settings: tuple[str, object], **environ: str) -> GatewayConfig:
    """Read the smallest document with values set at some paths."""
    document = SMALLEST
    for path, value in settings:
        document = merged(document, nested(path, value))
    return parse_config(json.loads(json.dumps(document)), environ, "gw.conf")


def refusal_of(*settings: tuple[str, object], **environ: str) -> str:
    """Give the line that such a document, or environment, is refused with."""
    try:
        config = config_with(*settings, **environ)
    except ConfigError as error:
        return str(error)
    raise AssertionError(f"was accepted: {config}")
