"""Configurations that are none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.declaration import catalogue
from menderproxy.config.load import ConfigError, load_config
from menderproxy.config.model import GatewayConfig
from menderproxy.upstream.no_proxy import Exemption
from menderproxy.upstream.proxies import ProxyServer
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist
from tests.config.documents import SMALLEST, merged, nested
from tests.fuzz.material import depths, json_texts, json_values, mutated, plenty
from tests.fuzz.material import nested as brackets

SETTINGS = list(catalogue(GatewayConfig))
PATHS = [path for path, _ in SETTINGS if path]
KEYS = sorted({key for path in PATHS for key in path.split(".")})
VARIABLES = [name for _, each in SETTINGS for name in each.environment]
TEXTS = (
    "30m",
    "off",
    ":443",
    "[::1]:80",
    "10GiB",
    "1.3",
    "true",
    "https://gateway.example:8443/x",
    "http://user:secret@proxy.example:3128",
    "s3.example.com,192.0.2.0/24",
    "c2VjcmV0IGZvciBhbGwgb2YgdXM=",
)
LONGEST_ERROR = 400

values = json_values(KEYS, TEXTS)
variables = st.dictionaries(
    st.sampled_from(VARIABLES),
    st.sampled_from(TEXTS) | st.text(max_size=20).filter(lambda text: "\0" not in text),
    max_size=3,
)


def document(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the smallest document with these settings."""
    whole = SMALLEST
    for path, value in settings.items():
        whole = merged(whole, nested(path, value))
    return whole


class ConfigurationTests(SynchronousTestCase):
    """What comes of them."""

    def setUp(self) -> None:
        """Have a file."""
        self.path = Path(self.mktemp())

    def check(self, content: bytes, environ: Mapping[str, str] | None = None) -> None:
        """Read a file: it is refused in one line, or what it says can be used."""
        self.path.write_bytes(content)
        try:
            config = load_config(str(self.path), environ or {})
        except ConfigError as error:
            self.assertTrue(str(error).isprintable(), str(error))
            self.assertLess(len(str(error)), LONGEST_ERROR + len(str(self.path)))
            return
        for remark in config.warnings:
            self.assertTrue(remark.isprintable(), remark)
            self.assertLess(len(remark), LONGEST_ERROR + len(str(self.path)))
        self.use(config)

    def use(self, config: GatewayConfig) -> None:
        """Make what the gateway makes of it: whatever is wrong was told before."""
        for proxy in (config.proxies.http, config.proxies.https):
            if proxy:
                ProxyServer.parse(proxy)
        for exemption in config.proxies.no_proxy:
            Exemption.parse(exemption).covers("store.example", 443)
        server = StoreURL.parse(config.upstream_server.url)
        Whitelist.parse(config.features.artifacts_proxy.domain_whitelist, server.host)
        self.assertGreater(config.limits.connections_per_address, 0)

    @plenty
    @given(st.binary(max_size=50) | json_texts(values))
    def test_any(self, content: bytes) -> None:
        """Any text."""
        self.check(content)

    @plenty
    @given(mutated([json.dumps(document({path: "30m" for path in PATHS[:8]})).encode()]))
    def test_damaged(self, content: bytes) -> None:
        """A document with damage."""
        self.check(content)

    @plenty
    @given(st.dictionaries(st.sampled_from(PATHS), values, max_size=3), variables)
    def test_values(self, settings: dict[str, Any], environ: dict[str, str]) -> None:
        """Any values of any settings."""
        self.check(json.dumps(document(settings)).encode(), environ)

    @plenty
    @given(variables)
    def test_variables(self, environ: dict[str, str]) -> None:
        """Any values of variables, as far as the system passes them on."""
        self.check(json.dumps(SMALLEST).encode(), environ)

    @plenty
    @given(depths, st.sampled_from((b"[", b'{"Features":', b'{"x":[')))
    def test_deep(self, depth: int, opening: bytes) -> None:
        """Brackets in brackets."""
        self.check(brackets(depth, opening, b"}" if opening.endswith(b":") else b"]"))
