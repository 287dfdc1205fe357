"""Tests of what settings must have to do with each other, and of warnings."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.load import ConfigError, parse_config
from tests.config.documents import config_with, refusal_of

PROXY = "Features.ArtifactsProxy"
CACHE = f"{PROXY}.ArtifactsCache"
MTLS = "Features.mTLS"
SYSTEM = "Features.DeviceSystem"
TLS_FILES = (("HTTPS.ServerCertificate", "/a.crt"), ("HTTPS.ServerKey", "/a.key"))
TLS_ONLY = (("HTTP.Enabled", False), ("HTTPS.Enabled", True), *TLS_FILES)


class ContradictionTests(SynchronousTestCase):
    """Settings that are good on their own and cannot work together."""

    def test_no_listener(self) -> None:
        """A gateway that no device can reach does not start."""
        self.assertEqual(
            refusal_of(("HTTP.Enabled", False), ("Metrics.Enabled", True)),
            "gw.conf: HTTP.Enabled: neither HTTP nor HTTPS is enabled, so no device gets in",
        )

    def test_no_server(self) -> None:
        """A gateway without a Mender Server does not start."""
        document = {"HTTP": {"Enabled": True}}
        error = self.assertRaises(ConfigError, parse_config, document)
        self.assertEqual(
            str(error),
            "configuration: UpstreamServer.URL: not set, but the gateway needs a Mender Server "
            "(environment: UPSTREAM_SERVER_URL)",
        )

    def test_tls_without_certificate(self) -> None:
        """HTTPS needs a certificate and a key; without HTTPS neither is needed."""
        for missing, variable in (
            ("HTTPS.ServerCertificate", "HTTPS_SERVER_CERTIFICATE"),
            ("HTTPS.ServerKey", "HTTPS_SERVER_KEY"),
        ):
            refusal = refusal_of(*TLS_ONLY, (missing, ""))
            self.assertIn(f"gw.conf: {missing}: not set, but HTTPS is enabled", refusal)
            self.assertIn(f"(environment: {variable})", refusal)
        self.assertTrue(config_with(*TLS_ONLY).https.enabled)

    def test_cache_without_proxy(self) -> None:
        """The cache is a part of the proxy and cannot run alone."""
        self.assertEqual(
            refusal_of((f"{CACHE}.Enabled", True)),
            f"gw.conf: {CACHE}.Enabled: needs {PROXY}.Enabled",
        )

    def test_proxy_without_url(self) -> None:
        """Links cannot be rewritten to a gateway that doesn't know its own URL."""
        self.assertIn(
            f"gw.conf: {PROXY}.GatewayURL: not set, but", refusal_of((f"{PROXY}.Enabled", True))
        )

    def test_mtls_without_authority(self) -> None:
        """Certificates cannot be checked without an authority."""
        self.assertIn(
            f"gw.conf: {MTLS}.CACertificate: not set, but", refusal_of((f"{MTLS}.Enabled", True))
        )

    def test_two_credentials(self) -> None:
        """Two ways to be let in by the server at once leave open which one is meant."""
        for key, other in (
            ("MenderPassword", "MenderPasswordFile"),
            ("MenderToken", "MenderTokenFile"),
            ("MenderUsername", "MenderToken"),
            ("MenderUsername", "MenderTokenFile"),
        ):
            self.assertEqual(
                refusal_of(
                    (f"{MTLS}.Enabled", True),
                    (f"{MTLS}.CACertificate", "/ca.crt"),
                    (f"{MTLS}.{key}", "hush"),
                    (f"{MTLS}.{other}", "hush"),
                ),
                f"gw.conf: {MTLS}.{other}: set besides {key}: one of them is enough",
            )

    def assert_inventory_refused(self, reason: str, *names: str, system_id: str = "") -> None:
        """Fail unless attributes of these names are refused so, and only when they are wanted."""
        attributes = [{"Name": name, "Value": "x"} for name in names]
        system = ((f"{SYSTEM}.DefaultInventory", attributes), (f"{SYSTEM}.SystemID", system_id))
        self.assertEqual(
            refusal_of((f"{SYSTEM}.Enabled", True), *system),
            f"gw.conf: {SYSTEM}.DefaultInventory{reason}",
        )
        config_with(*system)

    def test_attribute_twice(self) -> None:
        """An attribute with two values has none; capitals make two of it."""
        self.assert_inventory_refused("[2].Name: 'site': given twice", "site", "line", "site")
        two = [{"Name": "site", "Value": "Oslo"}, {"Name": "Site", "Value": "Oslo"}]
        config_with((f"{SYSTEM}.Enabled", True), (f"{SYSTEM}.DefaultInventory", two))

    def test_reserved_attributes(self) -> None:
        """No default may pose as a gateway, or contradict the system's identifier."""
        self.assert_inventory_refused(
            "[1].Name: 'mender_is_gateway': every device would pass for a gateway",
            "site",
            "mender_is_gateway",
        )
        for system_id in ("", "line 1"):
            self.assert_inventory_refused(
                "[0].Name: 'mender_gateway_system_id': set Features.DeviceSystem.SystemID instead",
                "mender_gateway_system_id",
                system_id=system_id,
            )

    def test_too_many_attributes(self) -> None:
        """More attributes than a device may have would never get to the server."""
        names = [f"n{i}" for i in range(101)]
        most = "the server takes no more than 100 of a device"
        self.assert_inventory_refused(f": 101 attributes, {most}", *names)
        self.assert_inventory_refused(
            f": 101 attributes together with SystemID, {most}", *names[:100], system_id="line 1"
        )
        attributes = [{"Name": name, "Value": 1} for name in names[:99]]
        config_with(
            (f"{SYSTEM}.Enabled", True),
            (f"{SYSTEM}.SystemID", "line 1"),
            (f"{SYSTEM}.DefaultInventory", attributes),
        )

    def test_old_place_of_attributes(self) -> None:
        """Attributes at the root, where early versions had them, are checked as well."""
        refusal = refusal_of(
            (f"{SYSTEM}.Enabled", True),
            ("DefaultInventory", [{"name": "mender_is_gateway", "value": "true"}]),
        )
        self.assertIn("DefaultInventory[0].Name: 'mender_is_gateway': every device", refusal)

    def test_same_address(self) -> None:
        """Two listeners cannot share a port, unless their addresses keep them apart."""
        metrics = ("Metrics.Enabled", True)
        for address in (":80", "0.0.0.0:80", "127.0.0.1:80"):
            self.assertEqual(
                refusal_of(metrics, ("Metrics.Listen", address)),
                f"gw.conf: Metrics.Listen: {address} is taken by HTTP.Listen, :80",
            )
        same = "127.0.0.1:8080"
        self.assertIn(
            f"Metrics.Listen: {same} is taken",
            refusal_of(metrics, ("HTTP.Listen", same), ("Metrics.Listen", same)),
        )
        config_with(metrics, ("Metrics.Listen", ":81"))
        config_with(metrics, ("HTTP.Listen", "10.0.0.1:80"), ("Metrics.Listen", "10.0.0.2:80"))
        config_with(metrics, ("HTTP.Listen", ":0"), ("Metrics.Listen", ":0"))
        config_with(("HTTPS.Listen", ":80"))


class WarningTests(SynchronousTestCase):
    """What works and is hardly meant."""

    def assert_warns(self, warning: str, *settings: tuple[str, object], **environ: str) -> None:
        """Fail unless these settings give exactly this warning."""
        self.assertEqual(config_with(*settings, **environ).warnings, (warning,))

    def test_none(self) -> None:
        """A sound configuration gives no warnings."""
        self.assertEqual(config_with(*TLS_ONLY).warnings, ())

    def test_misspelt_key(self) -> None:
        """An unknown key gives a warning with the nearest key, at every depth."""
        for path, meant in (
            ("Metrcs", "Metrics"),
            ("HTTP.Listn", "Listen"),
            (f"{CACHE}.SignatureSecrets", "SignatureSecret"),
        ):
            self.assert_warns(f"gw.conf: {path}: unknown key, did you mean {meant}?", (path, "x"))

    def test_misspelt_key_in_list(self) -> None:
        """An unknown key of an object in a list gives a warning as well."""
        key = "Features.DeviceSystem.DefaultInventory"
        attribute = {"Name": "site", "Value": "Oslo", "Vlue": ""}
        self.assert_warns(
            f"gw.conf: {key}[0].Vlue: unknown key, did you mean Value?",
            (key, [attribute]),
            ("Features.DeviceSystem.Enabled", True),
        )

    def test_misplaced_key(self) -> None:
        """A known key in the wrong section gives a warning with its place."""
        for path, meant in (
            ("GatewayURL", f"{PROXY}.GatewayURL"),
            ("mTLS", "Features.mTLS"),
            ("Features.MinimumTLSVersion", "HTTPS.MinimumTLSVersion"),
        ):
            self.assert_warns(f"gw.conf: {path}: unknown key, did you mean {meant}?", (path, "x"))

    def test_unknown_key(self) -> None:
        """A key that is like no other one gives a warning of one short line."""
        self.assert_warns("gw.conf: _comment: unknown key", ("_comment", "x"))
        [warning] = config_with(("zq\n" * 100, "x")).warnings
        self.assertNotIn("\n", warning)
        self.assertLess(len(warning), 100)

    def test_misspelt_variable(self) -> None:
        """A variable that is nearly one of ours gives a warning, any other one does not."""
        self.assert_warns(
            "environment: HTTPS_MINMUM_TLS_VERSION: unknown variable, did you mean "
            "HTTPS_MINIMUM_TLS_VERSION?",
            HTTPS_MINMUM_TLS_VERSION="1.2",
        )
        others = dict.fromkeys(("PATH", "LANG", "FTP_PROXY", "all_proxy", "HTTPS_PORT"), "x")
        self.assertEqual(config_with(**others).warnings, ())

    def test_unverified_server(self) -> None:
        """A server whose certificate goes unchecked is worth a warning."""
        key = "UpstreamServer.InsecureSkipVerify"
        self.assert_warns(f"gw.conf: {key}: anybody can pose as the Mender Server", (key, True))

    def test_tls_versions(self) -> None:
        """The old versions of TLS and the one that some devices lack are worth a warning."""
        key = "HTTPS.MinimumTLSVersion"
        self.assert_warns(f"gw.conf: {key}: TLS 1.0 is insecure", (key, "1.0"), *TLS_ONLY)
        self.assert_warns(f"gw.conf: {key}: TLS 1.1 is insecure", (key, "1.1"), *TLS_ONLY)
        self.assert_warns(
            f"gw.conf: {key}: locks out Zephyr devices, which speak TLS 1.2 only",
            (key, "1.3"),
            *TLS_ONLY,
        )
        self.assertEqual(config_with((key, "1.3")).warnings, ())

    def test_mtls(self) -> None:
        """Mutual TLS that lets nobody in, or too many, is worth a warning."""
        sound = (
            *TLS_ONLY,
            (f"{MTLS}.Enabled", True),
            (f"{MTLS}.CACertificate", "/ca.crt"),
            (f"{MTLS}.MenderUsername", "gw"),
            (f"{MTLS}.MenderPassword", "hush"),
        )
        self.assertEqual(config_with(*sound).warnings, ())
        for key in ("MenderToken", "MenderTokenFile"):
            by_token = (*sound[:-2], (f"{MTLS}.{key}", "/hush"))
            self.assertEqual(config_with(*by_token).warnings, ())
        self.assert_warns(
            f"gw.conf: {PROXY}.GatewayURL: devices get no artifact over http while Features.mTLS is"
            " enabled",
            *sound,
            (f"{PROXY}.Enabled", True),
            (f"{PROXY}.GatewayURL", "http://gateway.example.com"),
        )
        by_file = (*sound[:-1], (f"{MTLS}.MenderPasswordFile", "/hush"))
        self.assertEqual(config_with(*by_file).warnings, ())
        off = config_with((f"{MTLS}.InsecureSkipClientExpireAfter", "1h"))
        self.assertEqual(off.warnings, ())
        for change, warning in (
            (("HTTPS.Enabled", False), "Enabled: no device gets in while HTTPS is not enabled"),
            (
                (f"{MTLS}.MenderUsername", ""),
                "MenderUsername: not set, but devices cannot be preauthorized without "
                "(environment: MTLS_MENDER_USERNAME)",
            ),
            (
                (f"{MTLS}.MenderPassword", ""),
                "MenderPassword: not set, but devices cannot be preauthorized without "
                "(environment: MTLS_MENDER_PASSWORD)",
            ),
            (
                (f"{MTLS}.InsecureSkipClientExpireAfter", "1h"),
                "InsecureSkipClientExpireAfter: devices get in with certificates that have expired",
            ),
        ):
            self.assert_warns(f"gw.conf: {MTLS}.{warning}", *sound, ("HTTP.Enabled", True), change)

    def test_idle_device_system(self) -> None:
        """A system that is set and not turned on, or the other way round, is worth a warning."""
        for setting, condition in (
            (("SystemID", "line 1"), "while Enabled is not true"),
            (("DefaultInventory", [{"Name": "a", "Value": 1}]), "while Enabled is not true"),
            (("Enabled", True), "without SystemID or DefaultInventory"),
        ):
            self.assert_warns(
                f"gw.conf: {SYSTEM}: has no effect {condition}",
                (f"{SYSTEM}.{setting[0]}", setting[1]),
            )
        enabled = (f"{SYSTEM}.Enabled", True)
        for setting in (("SystemID", "line 1"), ("DefaultInventory", [{"Name": "a", "Value": 1}])):
            for place in (f"{SYSTEM}.", ""):
                config = config_with(enabled, (place + setting[0], setting[1]))
                self.assertEqual(config.warnings, ())
