"""Tests that ``mender-gateway.env`` has the variables there are, with the values they have."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.declaration import Setting, catalogue
from menderproxy.config.model import GatewayConfig
from tests.packaging.files import ETC

VARIABLE = re.compile(r"#(?P<name>[A-Z_]+)=(?P<value>\S*)")


class EnvironmentFileTests(SynchronousTestCase):
    """Each line of it is a comment; some of them are settings for the administrator to enable."""

    def setUp(self) -> None:
        """Read the file, and what the gateway knows."""
        self.lines = (ETC / "mender-gateway.env").read_text("utf-8").splitlines()
        found = [VARIABLE.fullmatch(line) for line in self.lines]
        self.variables = [(each["name"], each["value"]) for each in found if each]
        self.settings: dict[str, Setting] = {
            setting.environment[0]: setting
            for _, setting in catalogue(GatewayConfig)
            if setting.environment and not setting.extension
        }

    def test_harmless(self) -> None:
        """As it comes, it sets nothing."""
        self.assertEqual([line for line in self.lines if line and not line.startswith("#")], [])

    def test_complete(self) -> None:
        """It has every variable of the official gateway, in the order of the reference."""
        self.assertEqual([name for name, _ in self.variables], list(self.settings))

    def test_defaults(self) -> None:
        """Where there is a default, it is the one shown."""
        for name, value in self.variables:
            setting = self.settings[name]
            if setting.default not in (None, "", []):
                default = setting.kind.from_json(setting.default)
                self.assertEqual(setting.kind.from_text(value), default, name)

    def test_examples(self) -> None:
        """Each value is one that the gateway takes; none of them is a secret."""
        for name, value in self.variables:
            if value:
                # It raises for one that the gateway refuses.
                self.settings[name].kind.from_text(value)
        secrets = {name for name, value in self.variables if not value}
        self.assertEqual(secrets, {"ARTIFACTS_PROXY_CACHE_SECRET", "MTLS_MENDER_PASSWORD"})
