"""Tests that the reference of the settings, the examples and the code agree."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.declaration import REQUIRED, Setting, catalogue
from menderproxy.config.load import load_config
from menderproxy.config.model import GatewayConfig

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^   \* - (?P<key>.*)\n"
    r"     - (?P<variables>.*)\n"
    r"     - (?P<default>.*)\n"
    r"     - (?P<meaning>.*)$",
    re.MULTILINE,
)
HEADINGS = ("Key", "Environment", "Default", "Meaning")
EXTENSION = "*Extension.* "


def literals(*texts: str) -> str:
    """Write a cell of the table."""
    return ", ".join(f"``{text}``" for text in texts if text) or "\u2013"


def row_of(path: str, declared: Setting) -> tuple[str, str, str, bool]:
    """Write what the table should say of a setting."""
    unset = declared.default in (None, REQUIRED, "", [])
    default = "" if unset else json.dumps(declared.default)
    variables = literals(*declared.environment)
    return literals(path), variables, literals(default), declared.extension


class ReferenceTests(SynchronousTestCase):
    """The table of all settings in the documentation."""

    def setUp(self) -> None:
        """Read the table."""
        text = (ROOT / "docs" / "configuration.rst").read_text("utf-8")
        rows = [
            match.group("key", "variables", "default", "meaning") for match in ROW.finditer(text)
        ]
        self.rows = [row for row in rows if row != HEADINGS]

    def test_complete(self) -> None:
        """Each setting is there once, with its names, its default and whether it is our own."""
        written = [(*cells, meaning.startswith(EXTENSION)) for *cells, meaning in self.rows]
        declared = [row_of(path, each) for path, each in catalogue(GatewayConfig)]
        self.assertEqual(sorted(written), sorted(declared))

    def test_meanings(self) -> None:
        """Each setting is explained."""
        for key, variables, _, meaning in self.rows:
            self.assertTrue(meaning.removeprefix(EXTENSION).strip(), key or variables)


class DeclarationTests(SynchronousTestCase):
    """The declarations themselves."""

    def test_names_are_unique(self) -> None:
        """No two settings share a key, in whatever capitals, or a variable."""
        settings = list(catalogue(GatewayConfig))
        keys = [path.lower() for path, _ in settings if path]
        variables = [name for _, declared in settings for name in declared.environment]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertEqual(len(variables), len(set(variables)))


class ExampleTests(SynchronousTestCase):
    """The example files."""

    def test_full(self) -> None:
        """The long example is accepted without warnings and shows the main features."""
        config = load_config(str(ROOT / "etc" / "mender-gateway.conf"), {})
        self.assertEqual(config.warnings, ())
        self.assertTrue(config.features.artifacts_proxy.artifacts_cache.enabled)

    def test_minimal(self) -> None:
        """The short example is accepted without warnings."""
        config = load_config(str(ROOT / "etc" / "mender-gateway-minimal.conf"), {})
        self.assertEqual(config.warnings, ())
        self.assertTrue(config.https.enabled)
