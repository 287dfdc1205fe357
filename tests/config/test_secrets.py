"""Tests that what is read stays secret, and that nothing read can crash the reader."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.declaration import catalogue
from menderproxy.config.load import ConfigError, parse_config
from menderproxy.config.model import GatewayConfig
from tests.config.documents import SMALLEST, config_with, merged, nested, refusal_of
from tests.wire.properties import examples

SETTINGS = tuple(catalogue(GatewayConfig))
PATHS = [path for path, _ in SETTINGS if path]
VARIABLES = [name for _, declared in SETTINGS for name in declared.environment]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


class SecretTests(SynchronousTestCase):
    """Passwords, keys and what URLs may hold of them."""

    def test_repr(self) -> None:
        """No secret is in what a configuration prints as."""
        config = config_with(
            ("Features.mTLS.MenderPassword", "hush hush"),
            ("Features.ArtifactsProxy.ArtifactsCache.SignatureSecret", "aHVzaCBo" * 4),
            HTTP_PROXY="me:hush@proxy",
            HTTPS_PROXY="me:hush@proxy",
        )
        self.assertEqual(config.features.mtls.mender_password, "hush hush")
        self.assertNotIn("hush", repr(config))
        self.assertNotIn("aHVz", repr(config))

    def test_declared(self) -> None:
        """Whatever sounds like a secret is declared as one."""
        secret = {path or declared.environment[0] for path, declared in SETTINGS if declared.secret}
        self.assertEqual(
            secret,
            {
                "Features.mTLS.MenderPassword",
                "Features.mTLS.MenderToken",
                "Features.ArtifactsProxy.ArtifactsCache.SignatureSecret",
                "HTTP_PROXY",
                "HTTPS_PROXY",
            },
        )

    def test_refused(self) -> None:
        """An error about a secret doesn't show it, wherever it was set."""
        for refusal in (
            refusal_of(("Features.mTLS.MenderPassword", "hush\n")),
            refusal_of(("Features.mTLS.MenderPassword", ["hush"])),
            refusal_of(("Features.ArtifactsProxy.ArtifactsCache.SignatureSecret", "hush!")),
            refusal_of(MTLS_MENDER_PASSWORD="hush\n"),
            refusal_of(ARTIFACTS_PROXY_CACHE_SECRET="hush!"),
            refusal_of(HTTP_PROXY="socks5://me:hush@proxy"),
        ):
            self.assertNotIn("hush", refusal)

    def test_refused_url(self) -> None:
        """An error about a URL doesn't show the password or the signature in it."""
        for refusal in (
            refusal_of(("UpstreamServer.URL", "https://me:hush@server")),
            refusal_of(("Features.ArtifactsProxy.GatewayURL", "https://me:hush@gateway")),
            refusal_of(("Features.ArtifactsProxy.DomainWhitelist", ["https://s3/a?sig=hush"])),
            refusal_of(UPSTREAM_SERVER="https://server", UPSTREAM_SERVER_URL="me:hush@server"),
        ):
            self.assertNotIn("hush", refusal)


class RobustnessTests(SynchronousTestCase):
    """Whatever is set to whatever, the answer is a configuration or one line."""

    def assert_answers(self, document: dict[str, object], environ: dict[str, str]) -> None:
        """Fail when reading fails in any other way than with one line."""
        try:
            config = parse_config(document, environ)
        except ConfigError as error:
            self.assertNotIn("\n", str(error))
        else:
            self.assertEqual([each for each in config.warnings if "\n" in each], [])

    @examples
    @given(st.sampled_from(PATHS), JSON)
    def test_any_value(self, path: str, value: object) -> None:
        """Any JSON value at any key is read or refused with one line."""
        self.assert_answers(merged(SMALLEST, nested(path, value)), {})

    @examples
    @given(st.dictionaries(st.text(), JSON))
    def test_any_keys(self, document: dict[str, object]) -> None:
        """Any keys are read over, with warnings of one line each."""
        self.assert_answers({**document, **SMALLEST}, {})
        self.assertEqual(json.loads(json.dumps(SMALLEST)), SMALLEST)

    @examples
    @given(st.sampled_from(VARIABLES), st.text())
    def test_any_text(self, variable: str, text: str) -> None:
        """Any text in any variable is read or refused with one line."""
        self.assert_answers(SMALLEST, {variable: text})
