"""Tests that the reference of the settings, the examples and the code agree."""

from __future__ import annotations

from pathlib import Path

import attrs
from docutils import nodes
from docutils.core import publish_doctree
from twisted.trial.unittest import SynchronousTestCase

from menderproxy._version import __version__
from menderproxy.config import kinds
from menderproxy.config.declaration import catalogue, setting
from menderproxy.config.load import load_config
from menderproxy.config.model import GatewayConfig
from menderproxy.config.reference import part, reference

ROOT = Path(__file__).parents[2]
OFFICIAL_VERSIONS = {"1.0", "1.1", "2.0", "2.1", "2.2"}


@attrs.frozen
class Toaster:
    """
    ``Toaster``: what the gateway has on top.

    :ivar warmth: what
        it gives.
    """

    warmth: int = setting("Warmth", kinds.COUNT, 3, "TOASTER_WARMTH", root_key="Heat", since="1.1")


class ReferenceTests(SynchronousTestCase):
    """The page with all settings."""

    def test_up_to_date(self) -> None:
        """It is what ``python3 -m menderproxy.config.reference`` writes."""
        written = (ROOT / "docs" / "settings.rst").read_text("utf-8")
        self.assertEqual(written, reference())

    def test_complete(self) -> None:
        """Each setting is there once, with all its names, in a row of five cells."""
        rows = publish_doctree(reference()).findall(nodes.row)
        cells = [[entry.astext() for entry in row.findall(nodes.entry)] for row in rows]
        heading = ["Key, variable", "Value", "Default", "Since", "Meaning"]
        names = [row[0].split() for row in cells if row != heading]
        declared = [
            [name for name in (path, *each.environment) if name]
            for path, each in catalogue(GatewayConfig)
        ]
        self.assertEqual(sorted(names), sorted(declared))
        self.assertEqual({len(row) for row in cells}, {5})

    def test_row(self) -> None:
        """A row is made of the declaration and of the docstring of its class."""
        self.assertTrue(
            part(Toaster, "Toaster").endswith(
                "   * - | ``Toaster.Warmth``\n"
                "       | ``TOASTER_WARMTH``\n"
                "     - a whole number\n"
                "     - ``3``\n"
                "     - 1.1\n"
                "     - What it gives. Early versions had it at the top of the file, as ``Heat``.\n"
            )
        )

    def test_meanings(self) -> None:
        """A setting without a meaning is an error, not an empty cell."""
        self.patch(Toaster, "__doc__", "What the gateway has on top.")
        self.assertRaises(KeyError, part, Toaster, "Toaster")


class DeclarationTests(SynchronousTestCase):
    """The declarations themselves."""

    def test_names_are_unique(self) -> None:
        """No two settings share a key, in whatever capitals, or a variable."""
        settings = list(catalogue(GatewayConfig))
        keys = [path.lower() for path, _ in settings if path]
        variables = [name for _, declared in settings for name in declared.environment]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertEqual(len(variables), len(set(variables)))

    def test_versions(self) -> None:
        """An official setting is of an official version, an extension of one of ours so far."""
        ours = tuple(int(number) for number in __version__.split(".")[:2])
        for path, declared in catalogue(GatewayConfig):
            if declared.extension:
                version = tuple(int(number) for number in declared.since.split("."))
                self.assertLessEqual(version, ours, path)
            else:
                self.assertIn(declared.since, OFFICIAL_VERSIONS, path)


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
