"""Tests of reading the file and the environment."""

from __future__ import annotations

import math
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.features import InventoryAttribute
from menderproxy.config.load import DEFAULT_PATH, ConfigError, load_config, parse_config
from menderproxy.config.model import GatewayConfig
from menderproxy.config.units import ListenAddress
from tests.config.documents import SMALLEST, config_with, refusal_of

CACHE = "Features.ArtifactsProxy.ArtifactsCache"
ENOUGH = {"HTTP_ENABLED": "true", "UPSTREAM_SERVER_URL": "https://mender.example.com"}


class FileTests(SynchronousTestCase):
    """The file as such, before what it says."""

    def write(self, content: bytes) -> str:
        """Put a configuration file in place."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)

    def refusal(self, content: bytes) -> str:
        """Give what a file is refused with, after its path."""
        path = self.write(content)
        error = self.assertRaises(ConfigError, load_config, path, {})
        self.assertNotIn("\n", str(error))
        return str(error).removeprefix(f"{path}: ")

    def test_read(self) -> None:
        """A file is read, and what it doesn't say is the default."""
        path = self.write(b'{"HTTP": {"Enabled": true}, "UpstreamServer": {"URL": "http://s"}}')
        config = load_config(path, {})
        self.assertTrue(config.http.enabled)
        self.assertEqual(config.http.listen, ListenAddress("", 80))
        self.assertEqual(config.upstream_server.url, "http://s")
        self.assertEqual(config.warnings, ())

    def test_byte_order_mark(self) -> None:
        """A byte order mark, which Windows editors leave, does no harm."""
        path = self.write(b'\xef\xbb\xbf{"HTTP": {"Enabled": true}}')
        self.assertTrue(load_config(path, ENOUGH).http.enabled)

    def test_named_file_absent(self) -> None:
        """A file that was asked for by name must exist."""
        path = self.mktemp()
        error = self.assertRaises(ConfigError, load_config, path, ENOUGH)
        self.assertEqual(str(error), f"{path}: cannot be read: No such file or directory")

    def test_unreadable(self) -> None:
        """A file that cannot be read is named with the reason."""
        error = self.assertRaises(ConfigError, load_config, os.curdir, ENOUGH)
        self.assertEqual(str(error), ".: cannot be read: Is a directory")
        self.assertIn("null byte", str(self.assertRaises(ConfigError, load_config, "a\0b", {})))

    def test_usual_file_absent(self) -> None:
        """The usual file is not needed when the environment says enough."""
        if Path(DEFAULT_PATH).exists():
            self.skipTest("a gateway is configured on this machine")
        self.assertTrue(load_config(environ=ENOUGH).http.enabled)
        error = self.assertRaises(ConfigError, load_config, environ={})
        self.assertIn(f"{DEFAULT_PATH} (no such file): HTTP.Enabled: ", str(error))

    def test_own_environment(self) -> None:
        """Without another one, the environment of the process counts."""
        self.patch(os, "environ", ENOUGH)
        path = self.write(b"{}")
        self.assertEqual(load_config(path).upstream_server.url, "https://mender.example.com")

    def test_syntax(self) -> None:
        """An error of syntax is named with line and column."""
        self.assertIn("line 2 column 1: ", self.refusal(b'{"HTTP": {},\n}'))
        self.assertIn("line 1 column 1: ", self.refusal(b""))

    def test_trailing_garbage(self) -> None:
        """What follows the object is an error where it starts."""
        self.assertEqual(self.refusal(b"{}\n{}"), "line 2 column 1: Extra data")

    def test_key_given_twice(self) -> None:
        """A key that is in an object twice is an error at its second place."""
        content = b'{"HTTP": {"Enabled": true},\n "HTTPS": {"Enabled": true, "Enabled": false}}'
        self.assertEqual(self.refusal(content), "line 2 column 29: 'Enabled' is given twice")

    def test_key_given_twice_in_disguise(self) -> None:
        """An escape does not hide that two keys are the same."""
        self.assertIn("'HTTP' is given twice", self.refusal(rb'{"HTTP": {}, "\u0048TTP": {}}'))

    def test_same_text_as_key_and_value(self) -> None:
        """Texts that only look like keys are no keys."""
        content = rb'{"Unknown": ["Unknown", "{", "}\"NaN", "-Infinity"], "x": "Unknown"}'
        self.assertIn("HTTP.Enabled", self.refusal(content))

    def test_not_a_number(self) -> None:
        """NaN and the infinities, which JSON does not have, are errors."""
        for name in ("NaN", "Infinity", "-Infinity"):
            refusal = self.refusal(f'{{"x":\n {name}}}'.encode())
            self.assertEqual(refusal, f"line 2 column 2: {name} is not a JSON number")

    def test_no_object(self) -> None:
        """A file that holds no object is an error."""
        for content in (b"[]", b'"HTTP"', b"null"):
            self.assertEqual(
                self.refusal(content), "line 1 column 1: expected an object in braces at the top"
            )

    def test_not_text(self) -> None:
        """A file in another encoding is an error with its line."""
        self.assertEqual(self.refusal(b'{\n"x": "\xfc"}'), "line 2: not UTF-8 text")

    def test_monstrous(self) -> None:
        """Endless numbers and nesting are errors, not crashes."""
        for content in (b'{"x": ' + b"9" * 5000 + b"}", b"[" * 100_000):
            self.assertIn("too long or objects nest too deeply", self.refusal(content))


class DocumentTests(SynchronousTestCase):
    """What the document says."""

    def test_defaults(self) -> None:
        """What is not set is as in a configuration made without anything."""
        config = config_with()
        self.assertEqual(config.features, GatewayConfig().features)
        self.assertEqual(config.limits.idle_timeout, 75.0)
        self.assertEqual(config.limits.max_request_body, 1024 * 1024)
        self.assertEqual(config.features.artifacts_proxy.artifacts_cache.resume_grace, 86400.0)

    def test_capitals(self) -> None:
        """Capitals make no difference in keys, as in the original."""
        config = parse_config({"http": {"ENABLED": True}, "upstreamserver": {"Url": "http://s"}})
        self.assertEqual(config.upstream_server.url, "http://s")
        self.assertEqual(config.warnings, ())

    def test_capitals_twice(self) -> None:
        """Two spellings of one key in an object are an error."""
        document = {"HTTP": {"Enabled": True, "enabled": False}}
        error = self.assertRaises(ConfigError, parse_config, document)
        self.assertEqual(
            str(error), "configuration: HTTP.enabled: given twice, differing in capitals"
        )

    def test_wrong_type(self) -> None:
        """A wrong type is an error with file, key, value, what was expected and what was found."""
        self.assertEqual(
            refusal_of(("HTTP.Enabled", "false")),
            "gw.conf: HTTP.Enabled: 'false': expected true or false, got text",
        )

    def test_bad_value(self) -> None:
        """A bad value is an error with file, key, value and reason."""
        self.assertEqual(
            refusal_of(("HTTP.Listen", "80")),
            """gw.conf: HTTP.Listen: '80': a port needs a colon before it: ":80\"""",
        )

    def test_long_value(self) -> None:
        """A long value, or one of several lines, takes one short line in an error."""
        refusal = refusal_of(("HTTP.Listen", "x\n" * 1000))
        self.assertNotIn("\n", refusal)
        self.assertLess(len(refusal), 200)

    def test_section_of_wrong_type(self) -> None:
        """A section that is no object is an error that doesn't show what it is."""
        self.assertEqual(
            refusal_of(("Features.mTLS", ["hush"])),
            "gw.conf: Features.mTLS: expected an object in braces",
        )

    def test_nothing(self) -> None:
        """Null and empty text set nothing."""
        config = config_with(
            ("Features", None), ("HTTP.Listen", None), ("UpstreamServer.CACertificate", "")
        )
        self.assertEqual(config, config_with())
        self.assertEqual(config_with((f"{CACHE}.Path", "")), config_with())

    def test_cache_as_switch(self) -> None:
        """A bare true in place of the cache's section turns the cache on."""
        config = config_with(
            ("Features.ArtifactsProxy.Enabled", True),
            ("Features.ArtifactsProxy.GatewayURL", "https://gw"),
            (CACHE, True),
        )
        self.assertTrue(config.features.artifacts_proxy.artifacts_cache.enabled)
        self.assertFalse(
            config_with((CACHE, False)).features.artifacts_proxy.artifacts_cache.enabled
        )

    def test_other_section_as_switch(self) -> None:
        """No other section can be given as true."""
        self.assertIn("HTTPS: expected an object", refusal_of(("HTTPS", True)))

    def test_extensions(self) -> None:
        """Sizes, durations and lists reach their fields in bytes, seconds and tuples."""
        cache = config_with(
            (f"{CACHE}.MaxSize", "10GiB"),
            (f"{CACHE}.MinFree", 4096),
            (f"{CACHE}.ScrubInterval", "24h"),
            (f"{CACHE}.ArtifactVerifyKeys", ["/etc/mender/a.pem"]),
        ).features.artifacts_proxy.artifacts_cache
        self.assertEqual((cache.max_size, cache.min_free), (10 * 1024**3, 4096))
        self.assertEqual(cache.scrub_interval, 86400)
        self.assertEqual(cache.artifact_verify_keys, ("/etc/mender/a.pem",))

    def test_expired_certificates(self) -> None:
        """How long certificates outlive their end may be a duration, or true for ever."""
        key = "Features.mTLS.InsecureSkipClientExpireAfter"
        for value, seconds in (("72h", 259200), (True, math.inf), (False, None), ("off", None)):
            mtls = config_with((key, value)).features.mtls
            self.assertEqual(mtls.insecure_skip_client_expire_after, seconds)


class InventoryTests(SynchronousTestCase):
    """``DefaultInventory``, a list of objects, and its older place."""

    KEY = "Features.DeviceSystem.DefaultInventory"

    def test_attributes(self) -> None:
        """Attributes are texts, numbers, or lists of either."""
        config = config_with(
            (self.KEY, [{"Name": "site", "Value": "Oslo"}, {"Name": "lines", "Value": [1, 2.5]}])
        )
        self.assertEqual(
            config.features.device_system.default_inventory,
            (InventoryAttribute("site", "Oslo"), InventoryAttribute("lines", (1, 2.5))),
        )

    def test_old_spelling(self) -> None:
        """Attributes and system at the root, in small letters, are understood as ever."""
        config = config_with(
            ("DefaultInventory", [{"name": "site", "value": ""}]), ("SystemID", "line 1")
        )
        system = config.features.device_system
        self.assertEqual(system.default_inventory, (InventoryAttribute("site", ""),))
        self.assertEqual(system.system_id, "line 1")
        self.assertNotIn("unknown", " ".join(config.warnings))

    def test_old_spelling_is_enough(self) -> None:
        """At the root there was no switch: they count, unless the switch of today is off."""
        for setting in (("SystemID", "line 1"), ("DefaultInventory", [{"name": "a", "value": 1}])):
            self.assertTrue(config_with(setting).features.device_system.enabled)
            off = config_with(setting, ("Features.DeviceSystem.Enabled", False))
            self.assertFalse(off.features.device_system.enabled)
        self.assertFalse(config_with(("SystemID", "")).features.device_system.enabled)

    def test_old_and_new_spelling(self) -> None:
        """The older place may agree with the newer one, and must not contradict it."""
        key = "Features.DeviceSystem.SystemID"
        config = config_with((key, "line 1"), ("SystemID", "line 1"))
        self.assertEqual(config.features.device_system.system_id, "line 1")
        self.assertEqual(
            refusal_of((key, "line 1"), ("SystemID", "line 2")),
            f"gw.conf: SystemID: 'line 2': not the same as gw.conf: {key}",
        )

    def test_errors(self) -> None:
        """What is wrong with an attribute is said with its place in the list."""
        good = {"Name": "site", "Value": "Oslo"}
        for bad, reason in (
            ({"Name": "a", "Value": True}, "[1].Value: True: expected text, a number or"),
            ({"Name": "a", "Value": {}}, "[1].Value: {}: expected text, a number or"),
            ({"Name": "a", "Value": None}, "[1].Value: not set"),
            ({"Name": "", "Value": 1}, "[1].Name: '': a name has 1 to 1024 bytes"),
            ({"Value": 1}, "[1].Name: not set"),
            ("site=Oslo", "[1]: expected an object in braces"),
        ):
            self.assertIn(f"gw.conf: {self.KEY}{reason}", refusal_of((self.KEY, [good, bad])))


class EnvironmentTests(SynchronousTestCase):
    """The environment, and which of two values counts."""

    def test_overrides(self) -> None:
        """The environment wins over the file."""
        config = config_with(("HTTP.Listen", ":8080"), HTTP_LISTEN="127.0.0.1:9090")
        self.assertEqual(config.http.listen, ListenAddress("127.0.0.1", 9090))

    def test_overrides_with_nothing(self) -> None:
        """The environment can turn off what the file turns on."""
        off = config_with(
            (f"{CACHE}.ScrubInterval", "24h"), ARTIFACTS_PROXY_CACHE_SCRUB_INTERVAL="0"
        )
        self.assertIsNone(off.features.artifacts_proxy.artifacts_cache.scrub_interval)
        self.assertFalse(config_with(("HTTPS.Enabled", True), HTTPS_ENABLED="no").https.enabled)

    def test_empty(self) -> None:
        """An empty variable sets nothing."""
        config = config_with(("HTTP.Listen", ":8080"), HTTP_LISTEN="", MTLS_ENABLED="")
        self.assertEqual(config.http.listen, ListenAddress("", 8080))

    def test_empty_secret(self) -> None:
        """An empty signature secret, which got lost on its way, is an error."""
        self.assertIn(
            "environment: ARTIFACTS_PROXY_CACHE_SECRET: the secret is empty",
            refusal_of(ARTIFACTS_PROXY_CACHE_SECRET=""),
        )
        self.assertIn("the secret is empty", refusal_of((f"{CACHE}.SignatureSecret", "")))

    def test_error(self) -> None:
        """A bad value is an error with variable, value and reason."""
        self.assertEqual(
            refusal_of(HTTPS_ENABLED="flase"),
            "environment: HTTPS_ENABLED: 'flase': not true or false",
        )

    def test_list(self) -> None:
        """A list is separated by commas or white space."""
        proxy = config_with(
            ARTIFACTS_PROXY_DOMAIN_WHITELIST="a.example, b.example c.example"
        ).features.artifacts_proxy
        self.assertEqual(proxy.domain_whitelist, ("a.example", "b.example", "c.example"))

    def test_two_names(self) -> None:
        """Both names of the server's URL count, and must not contradict each other."""
        for names in (["UPSTREAM_SERVER"], ["UPSTREAM_SERVER_URL"]):
            config = config_with(**dict.fromkeys(names, "https://b.example"))
            self.assertEqual(config.upstream_server.url, "https://b.example")
        config_with(UPSTREAM_SERVER="https://b.example", UPSTREAM_SERVER_URL="https://b.example/")
        self.assertEqual(
            refusal_of(UPSTREAM_SERVER="https://a", UPSTREAM_SERVER_URL="https://b"),
            "environment: UPSTREAM_SERVER: 'https://a': not the same as environment: "
            "UPSTREAM_SERVER_URL",
        )

    def test_proxies(self) -> None:
        """Proxies come from the environment; of both spellings the one in capitals counts."""
        proxies = config_with(
            HTTP_PROXY="http://one:3128",
            http_proxy="http://two:3128",
            https_proxy="me:hush@three",
            NO_PROXY="10.0.0.0/8,.example.com localhost",
        ).proxies
        self.assertEqual(proxies.http, "http://one:3128")
        self.assertEqual(proxies.https, "me:hush@three")
        self.assertEqual(proxies.no_proxy, ("10.0.0.0/8", ".example.com", "localhost"))

    def test_not_for_embedders(self) -> None:
        """An embedder's document is not mixed with the environment of the process."""
        self.patch(os, "environ", {"HTTP_LISTEN": ":9"})
        self.assertEqual(parse_config(SMALLEST).http.listen, ListenAddress("", 80))
