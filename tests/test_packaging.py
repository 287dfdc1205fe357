"""Tests of what is true of the source as a whole, and of what an installation gets of it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import menderproxy

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "twisted" / "plugins" / "mender_gateway_plugin.py"
SOURCES = (".ci", "bench", "docs", "etc", "menderproxy", "newsfragments", "tests", "twisted")
LONGEST_FILE = 500
# Written by a program, which is not too long.
GENERATED = (
    Path("docs/settings.rst"),
    Path("docs/performance.rst"),
    Path("etc/lock/build.txt"),
    Path("etc/lock/gateway.txt"),
    Path("etc/lock/sbom.txt"),
)
INSTALLS_REACTOR = ("twisted.internet.reactor.", "twisted.web.proxy.")
FRAGMENT = re.compile(r"(?:\d+|\+[a-z][a-z0-9-]*)\.(?:feature|bugfix|doc|removal|misc)\.rst")
UNFINISHED = re.compile(r"\b(?:T[O]DO|F[I]XME)\b")


def source_files(*names: str) -> Iterator[Path]:
    """Give the files of the source below some folders, and those at the root with none given."""
    if not names:
        yield from (path for path in ROOT.iterdir() if path.suffix in (".rst", ".cfg", ".toml"))
    for name in names or SOURCES:
        for path in sorted((ROOT / name).rglob("*")):
            if path.is_file() and path.suffix not in (".pyc", ".cache"):
                yield path


def syntax_trees(*names: str) -> Iterator[tuple[str, ast.Module]]:
    """Parse the modules below some folders; gives the path from the root with each."""
    for path in source_files(*names):
        if path.suffix == ".py":
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def imports(statements: list[ast.stmt]) -> set[str]:
    """Give the full names that some statements import, by themselves or in a block of theirs."""
    found = set()
    for statement in statements:
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            found |= {f"{statement.module}.{alias.name}" for alias in statement.names}
        elif not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            blocks = (getattr(statement, name, []) for name in ("body", "orelse", "finalbody"))
            for block in blocks:
                found |= imports(block)
    return found


class PluginTests(SynchronousTestCase):
    """The plugin lives in a folder that belongs to Twisted."""

    def test_no_package_of_ours(self) -> None:
        """Neither folder is a package, which would take the place of Twisted's own."""
        found = [str(path.relative_to(ROOT)) for path in (ROOT / "twisted").rglob("__init__.py*")]
        self.assertEqual(found, [])

    def test_only_file(self) -> None:
        """The plugin is all that is there."""
        found = [path for path in source_files("twisted") if path.suffix != ".pyc"]
        self.assertEqual(found, [PLUGIN])

    def test_imports(self) -> None:
        """It imports nothing that could fail: that would show in every run of twistd."""
        imported = imports(ast.parse(PLUGIN.read_text("utf-8")).body)
        self.assertEqual(imported, {"twisted.application.service.ServiceMaker"})

    def test_found(self) -> None:
        """``twistd --help`` lists the gateway."""
        listing = subprocess.run(
            [sys.executable, "-m", "twisted", "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertRegex(listing.stdout, r"(?m)^ +mender-gateway +\S")


class InstallationTests(SynchronousTestCase):
    """What pip has installed."""

    def test_version(self) -> None:
        """The distribution has the package's version."""
        self.assertEqual(metadata.version("menderproxy"), menderproxy.__version__)

    def test_commands(self) -> None:
        """Each command leads to a function."""
        scripts = metadata.distribution("menderproxy").entry_points.select(group="console_scripts")
        self.assertEqual({one.name for one in scripts}, {"mender-gateway", "mender-gateway-demo"})
        for script in scripts:
            self.assertTrue(callable(script.load()), script.name)

    def test_modules(self) -> None:
        """Each module can be imported, and belongs to a package that setuptools finds."""
        found = pkgutil.walk_packages(menderproxy.__path__, "menderproxy.")
        names = {importlib.import_module(module.name).__name__ for module in found}
        expected = {
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for name, _ in syntax_trees("menderproxy")
        }
        self.assertEqual(names | {"menderproxy"}, expected)


class SourceTests(SynchronousTestCase):
    """Rules that no linter knows."""

    def test_docstrings(self) -> None:
        """Each module says what it is."""
        silent = [name for name, tree in syntax_trees() if not ast.get_docstring(tree)]
        self.assertEqual(silent, [])

    def test_reactor(self) -> None:
        """No module imports the reactor when it is imported, nor what installs one."""
        found = [
            (name, culprit)
            for name, tree in syntax_trees("menderproxy")
            for culprit in imports(tree.body)
            if f"{culprit}.".startswith(INSTALLS_REACTOR)
        ]
        self.assertEqual(found, [("menderproxy/web/forward.py", "twisted.web.proxy")])

    def test_asynchronous_tests(self) -> None:
        """No coroutine is a test of a ``SynchronousTestCase``, which would never run it."""
        found = [
            f"{name}: {case.name}.{test.name}"
            for name, tree in syntax_trees("tests")
            for case in ast.walk(tree)
            if isinstance(case, ast.ClassDef)
            and any("SynchronousTestCase" in ast.unparse(base) for base in case.bases)
            for test in case.body
            if isinstance(test, ast.AsyncFunctionDef) and test.name.startswith("test")
        ]
        self.assertEqual(found, [])

    def test_lengths(self) -> None:
        """No file is too long to be one idea."""
        lengths = {
            str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
            for path in source_files()
            if path.relative_to(ROOT) not in GENERATED
        }
        self.assertEqual({name for name in lengths if lengths[name] > LONGEST_FILE}, set())

    def test_nothing_unfinished(self) -> None:
        """No file has a note that something is still to be done."""
        unfinished = [path for path in source_files() if UNFINISHED.search(path.read_text("utf-8"))]
        self.assertEqual(unfinished, [])


class NewsTests(SynchronousTestCase):
    """The fragments that the change log is made of."""

    def test_names(self) -> None:
        """Each has a name that towncrier understands; it would pass over others in silence."""
        names = [path.name for path in source_files("newsfragments") if path.name != ".gitkeep"]
        self.assertEqual([name for name in names if not FRAGMENT.fullmatch(name)], [])

    def test_content(self) -> None:
        """Each says something, and ends in a full stop."""
        for path in source_files("newsfragments"):
            if path.name != ".gitkeep":
                self.assertRegex(path.read_text("utf-8"), r"\A\S.*\.\n\Z", path.name)
