"""Tests of what packages and images are built from, and of who may use it how."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from twisted.trial.unittest import SynchronousTestCase

from tests.packaging.files import ETC, ROOT

LISTS = ("gateway", "build", "sbom")
RECIPES = ("debian/build", "docker/Dockerfile", "lock/sbom", "release")
PIP = re.compile(r'pip"? (?:install|wheel)\b|\$\{pip\[@\]\}')
PIN = re.compile(r"(?m)^(?P<name>[a-z0-9.-]+)==(?P<version>\S+)(?P<rest>.*(?:\n {4}.*)*)")
ROW = re.compile(r" {3}\* - (?P<name>\S+)\n {5}- (?P<version>\S+)\n {5}- (?P<licence>.+)\n")
# Whoever adds one makes sure first that it can be shipped along with code under Apache-2.0.
ALLOWED = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "PSF-2.0", "ZPL-2.1"}


@attrs.frozen
class Pin:
    """One distribution of a list."""

    version: str
    hashes: list[str]


def pins(name: str) -> dict[str, Pin]:
    """Read one of the lists."""
    text = (ETC / "lock" / f"{name}.txt").read_text("utf-8")
    return {
        canonicalize_name(pin["name"]): Pin(
            pin["version"], re.findall(r"--hash=sha256:([0-9a-f]{64})\b", pin["rest"])
        )
        for pin in PIN.finditer(text)
    }


def required() -> list[Requirement]:
    """Read what ``setup.cfg`` says that the gateway needs."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    lines = settings["options"]["install_requires"].split("\n")
    return [Requirement(line) for line in lines if line]


class ListTests(SynchronousTestCase):
    """The lists in ``etc/lock``."""

    def assert_listed(self, requirement: Requirement, found: dict[str, Pin], why: str) -> None:
        """Assert that a list has a version that a requirement allows."""
        name = canonicalize_name(requirement.name)
        self.assertIn(name, found, f"{why}; run etc/lock/update")
        self.assertIn(found[name].version, requirement.specifier, f"{why}; run etc/lock/update")

    def test_gateway(self) -> None:
        """What the gateway requires is listed, in a version that it takes."""
        found = pins("gateway")
        for requirement in required():
            self.assert_listed(requirement, found, f"setup.cfg requires {requirement}")

    def test_dependencies(self) -> None:
        """So is what that requires in turn, and nothing besides."""
        found = pins("gateway")
        reached = {canonicalize_name(requirement.name) for requirement in required()}
        waiting = list(reached)
        while waiting:
            name = waiting.pop()
            for requirement in map(Requirement, metadata.requires(name) or ()):
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    self.assertIn(canonicalize_name(requirement.name), found, name)
                    new = {canonicalize_name(requirement.name)} - reached
                    reached |= new
                    waiting += new
        self.assertEqual(set(found), reached)

    def test_build(self) -> None:
        """What makes the wheel is listed too."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        found = pins("build")
        for requirement in map(Requirement, project["build-system"]["requires"]):
            self.assert_listed(requirement, found, f"pyproject.toml requires {requirement}")

    def test_hashes(self) -> None:
        """Each has its hashes."""
        for name in LISTS:
            found = pins(name)
            self.assertEqual([one for one in found if not found[one].hashes], [], name)
            self.assertNotEqual(found, {})

    def test_no_place(self) -> None:
        """None says where to download from: that is for whoever builds to say."""
        for path in (ETC / "lock").iterdir():
            self.assertNotRegex(path.read_text("utf-8"), r"://|--(?:extra-)?index-url", path.name)


class BuildTests(SynchronousTestCase):
    """The recipes."""

    def installing(self, recipe: str) -> list[str]:
        """Give all commands of a recipe that have pip install or make something."""
        text = (ETC / recipe).read_text("utf-8").replace("\\\n", "")
        commands = [command.strip() for command in re.split(r"&&|\n", text)]
        found = [command for command in commands if PIP.search(command)]
        self.assertNotEqual(found, [], recipe)
        return found

    def test_only_listed(self) -> None:
        """Whatever pip installs in a package or an image has a hash, or is the gateway itself."""
        for recipe in RECIPES:
            for command in self.installing(recipe):
                self.assertRegex(command, "--require-hashes|--no-deps", recipe)

    def test_nothing_unlisted_builds(self) -> None:
        """The gateway's wheel is never made with what pip chooses by itself."""
        for recipe in RECIPES:
            for command in self.installing(recipe):
                if "--require-hashes" not in command and ".whl" not in command:
                    self.assertIn("--no-build-isolation", command, recipe)


class LicenceTests(SynchronousTestCase):
    """``docs/licences.rst``, and what writes it."""

    def setUp(self) -> None:
        """Have what writes it at hand."""
        self.licence = runpy.run_path(str(ETC / "lock" / "licences.py"))["licence"]

    def component(self, *licences: object) -> dict[str, Any]:
        """Make a component of a bill of materials."""
        return {"name": "something", "version": "1", "licenses": list(licences)}

    def test_page(self) -> None:
        """It has what is listed, in that version, under a licence that is allowed."""
        _, *rows = ROW.finditer((ROOT / "docs" / "licences.rst").read_text("utf-8"))
        found = {canonicalize_name(row["name"]): row["version"] for row in rows}
        listed = pins("gateway")
        self.assertEqual(found, {name: listed[name].version for name in listed})
        for row in rows:
            names = set(re.split(r" (?:AND|OR) |[()]", row["licence"])) - {""}
            self.assertEqual(names - ALLOWED, set(), row["name"])

    def test_expression(self) -> None:
        """A licence is given by an expression, by its name, or by an old classifier."""
        old = {"license": {"name": "License :: OSI Approved :: Apache Software License"}}
        for said, expression in (
            ({"expression": "MIT OR Apache-2.0"}, "MIT OR Apache-2.0"),
            ({"license": {"id": "MIT"}}, "MIT"),
            (old, "Apache-2.0"),
        ):
            self.assertEqual(self.licence(self.component(said)), expression)

    def test_unknown(self) -> None:
        """No licence is an error, and so is one with a name that says nothing."""
        for licences in ([], [{"license": {"name": "see LICENSE"}}]):
            with self.assertRaises(ValueError):
                self.licence(self.component(*licences))


class AuditTests(SynchronousTestCase):
    """What is made of an audit."""

    SKIPPED: dict[str, Any] = {"name": "treq", "skip_reason": "not found"}  # noqa: RUF012
    GOOD: dict[str, Any] = {"name": "attrs", "version": "26.1.0", "vulns": []}  # noqa: RUF012

    def setUp(self) -> None:
        """Have what makes it at hand."""
        path = Path(ROOT, ".ci", "audit_results.py")
        self.complaints = runpy.run_path(str(path))["complaints"]

    def results(self, *dependencies: dict[str, Any]) -> list[str]:
        """Give the complaints about a report."""
        found: list[str] = self.complaints(json.dumps({"dependencies": dependencies, "fixes": []}))
        return found

    def test_good(self) -> None:
        """Nothing found is no complaint."""
        self.assertEqual(self.results(self.GOOD), [])

    def test_vulnerable(self) -> None:
        """A vulnerability is named, with the versions that don't have it."""
        known = [{"id": "CVE-2026-1", "fix_versions": ["26.2", "27.0"], "description": "…"}]
        self.assertEqual(
            self.results(self.GOOD, {"name": "idna", "version": "1.0", "vulns": known}),
            ["idna 1.0: CVE-2026-1, fixed in 26.2, 27.0"],
        )

    def test_one_left_out(self) -> None:
        """What was not looked at while others were is a complaint."""
        self.assertEqual(self.results(self.GOOD, self.SKIPPED), ["treq: not checked: not found"])

    def test_nobody_to_ask(self) -> None:
        """When nothing could be looked at, that is said, and no complaint."""
        self.assertRaises(LookupError, self.results, self.SKIPPED, self.SKIPPED)
        self.assertRaises(LookupError, self.complaints, "")
