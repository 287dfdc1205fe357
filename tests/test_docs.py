"""Tests that the documentation can be read, and says what is true."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import twisted.internet
from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives
from docutils.utils import Reporter
from twisted.application.service import IService
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.declaration import catalogue, declarations
from menderproxy.config.load import parse_config
from menderproxy.config.model import GatewayConfig
from menderproxy.demo.__main__ import Options as DemoOptions
from menderproxy.tap import Options
from tests.config.documents import SMALLEST, merged
from tests.runnable import runnable

ROOT = Path(__file__).parents[1]
DEVICE = IPv4Address("TCP", "192.0.2.1", 40000)
DOCUMENTS = (
    *sorted(ROOT.glob("*.rst")),
    *sorted(ROOT.glob("docs/*.rst")),
    *sorted(ROOT.glob("tests/**/*.rst")),
    *sorted(ROOT.glob("newsfragments/*.rst")),
)
OFFICIAL_VERSIONS = ["1.0", "1.1", "1.2", "2.0", "2.1", "2.2"]
TEST = re.compile(r"tests(?:\.[a-z]\w*)+\.[A-Z]\w*\.test_\w+")
FLAG = re.compile(r"(?<!\S)--[a-z][a-z-]*")
SETTING = re.compile(r"[A-Z]\w+(?:\.\w+)*\.[A-Z]\w+")
SOURCE_FILE = re.compile(r"(?:\w+/)*[\w-]+\.py|(?:etc|tests|bench|menderproxy)/[\w./-]+")


class TableOfContents(Directive):
    """Sphinx's table of contents, made a list of the pages in it."""

    has_content = True
    option_spec = {"hidden": directives.flag, "caption": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Give the list."""
        return [nodes.comment("", page, classes=["toctree"]) for page in self.content]


directives.register_directive("toctree", TableOfContents)


@cache
def doctree(path: Path) -> nodes.document:
    """
    Read a document.

    :raises docutils.utils.SystemMessage: it is not well formed.
    """
    settings = {
        "halt_level": Reporter.WARNING_LEVEL,
        "report_level": Reporter.SEVERE_LEVEL,
        "syntax_highlight": "none",
        "warning_stream": io.StringIO(),
    }
    text = path.read_text("utf-8")
    return publish_doctree(text, source_path=str(path), settings_overrides=settings)


def literals() -> Iterator[tuple[str, str]]:
    """Give each literal text of the documentation, with the name of its document."""
    for path in DOCUMENTS:
        for literal in doctree(path).findall(nodes.literal):
            yield path.name, literal.astext()


def blocks() -> Iterator[tuple[str, nodes.literal_block]]:
    """Give each literal block of the documentation, with the name of its document."""
    for path in DOCUMENTS:
        for block in doctree(path).findall(nodes.literal_block):
            yield path.name, block


def examples() -> Iterator[tuple[str, str]]:
    """Give each example in Python, with the name of its document."""
    for name, block in blocks():
        if "python" in block["classes"]:
            yield name, block.astext()


def command_lines(command: str) -> Iterator[tuple[str, list[str]]]:
    """Give the flags that the documentation shows for a command, line by line."""
    texts = [*literals(), *((name, block.astext()) for name, block in blocks())]
    for name, text in texts:
        for line in text.splitlines():
            _, found, arguments = line.partition(f"{command} ")
            if found:
                yield name, FLAG.findall(arguments)


class FormTests(SynchronousTestCase):
    """What docutils makes of the documents."""

    def test_well_formed(self) -> None:
        """Each document can be read without a warning."""
        for path in DOCUMENTS:
            # It raises at the first warning.
            self.assertTrue(doctree(path).children, path)

    def test_contents(self) -> None:
        """The first page links to all others, in the order of the site's table of contents."""
        index = doctree(ROOT / "docs" / "index.rst")
        links = [reference["refuri"] for reference in index.findall(nodes.reference)]
        listed = [each.astext() for each in index.findall(nodes.comment) if each["classes"]]
        self.assertEqual(links, [f"{page}.rst" for page in listed])
        pages = {path.name for path in ROOT.glob("docs/*.rst")}
        self.assertEqual(set(links), pages - {"index.rst"})

    def test_links(self) -> None:
        """Each link within the project leads to a file."""
        dead = []
        for path in DOCUMENTS:
            for reference in doctree(path).findall(nodes.reference):
                target = urlsplit(reference.get("refuri", ""))
                if not target.scheme and not (path.parent / target.path).exists():
                    dead.append((path.name, target.path))
        self.assertEqual(dead, [])


class FactTests(SynchronousTestCase):
    """What the documents name has to be there."""

    def test_gateway_flags(self) -> None:
        """The gateway has each flag that it is shown with."""
        known = {f"--{option}".rstrip("=") for option in Options().longOpt}  # type: ignore[no-untyped-call]
        shown = list(command_lines("mender-gateway"))
        self.assertIn("--config", [flag for _, flags in shown for flag in flags])
        for name, flags in shown:
            self.assertEqual(set(flags) - known, set(), name)

    def test_demo_flags(self) -> None:
        """The demo has each flag that it is shown with."""
        usage = io.StringIO()
        with contextlib.redirect_stdout(usage):
            self.assertRaises(SystemExit, DemoOptions.parse, ["--help"])
        for name, flags in command_lines("mender-gateway-demo"):
            self.assertEqual(set(flags) - set(FLAG.findall(usage.getvalue())), set(), name)

    def test_settings(self) -> None:
        """Each setting that is named with its section exists."""
        paths = [path for path, _ in catalogue(GatewayConfig)]
        named = [(name, text) for name, text in literals() if SETTING.fullmatch(text)]
        self.assertNotEqual(named, [])
        for name, text in named:
            self.assertTrue(any(path.endswith(text) for path in paths), f"{name}: {text}")

    def test_files(self) -> None:
        """Each file of ours that is named exists."""
        named = [(name, text) for name, text in literals() if SOURCE_FILE.fullmatch(text)]
        self.assertNotEqual(named, [])
        for name, text in named:
            places = [ROOT / text, ROOT / "menderproxy" / text]
            self.assertTrue(any(place.exists() for place in places), f"{name}: {text}")

    def test_tests(self) -> None:
        """Each test that is named exists."""
        named = [(name, text) for name, text in literals() if TEST.fullmatch(text)]
        self.assertNotEqual(named, [])
        for name, text in named:
            module, case, method = text.rsplit(".", 2)
            self.assertTrue(
                hasattr(getattr(import_module(module), case), method), f"{name}: {text}"
            )

    def test_modules(self) -> None:
        """Each module that is named or run exists."""
        texts = [text for _, text in literals()]
        named = {text for text in texts if re.fullmatch(r"menderproxy(\.[a-z_]+)+", text)}
        for _, block in blocks():
            named |= set(re.findall(r"python3? -m ([\w.]+)", block.astext()))
        # Comes with a release's own tools.
        for module in named - {"build"}:
            self.assertIsNotNone(find_spec(module), module)

    def test_first_commands(self) -> None:
        """The two commands for a newcomer are marked, so that they are run."""
        text = (ROOT / "README.rst").read_text("utf-8")
        self.assertEqual(list(runnable(text)), ["demo", "tests"])

    def test_marks(self) -> None:
        """Each mark in a document marks a block."""
        for path in DOCUMENTS:
            # It raises for a mark without a block.
            self.assertNotIn([], runnable(path.read_text("utf-8")).values(), path)

    def test_configurations(self) -> None:
        """Each configuration of the gateway, or part of one, is read without a warning."""
        documents = [
            (name, json.loads(block.astext()))
            for name, block in blocks()
            if "json" in block["classes"]
        ]
        known = {declared.key for _, declared in declarations(GatewayConfig)}
        ours = [(name, document) for name, document in documents if known & set(document)]
        self.assertGreater(len(ours), 4)
        for name, document in ours:
            self.assertEqual(parse_config(merged(SMALLEST, document)).warnings, (), name)


class OfficialTests(SynchronousTestCase):
    """The table of what the official gateway does."""

    def setUp(self) -> None:
        """Read it."""
        self.page = doctree(ROOT / "docs" / "official.rst")

    def test_versions(self) -> None:
        """Each official version has a part of its own, and so has each that brought a setting."""
        titles = [title.astext() for title in self.page.findall(nodes.title)]
        versions = [title.removeprefix("Version ") for title in titles if "Version" in title]
        self.assertEqual(versions, OFFICIAL_VERSIONS)
        settings = [each for _, each in catalogue(GatewayConfig) if not each.extension]
        self.assertEqual({each.since for each in settings} - set(versions), set())

    def test_proven(self) -> None:
        """No row lacks a test, or a step of continuous integration that is there."""
        rows = [
            [entry.astext() for entry in row.findall(nodes.entry)]
            for body in self.page.findall(nodes.tbody)
            for row in body.findall(nodes.row)
        ]
        self.assertNotEqual(rows, [])
        for feature, proof in rows:
            self.assertTrue(proof.strip(), feature)
            for name in proof.split():
                step = ROOT / name if name.startswith(".ci/") else None
                proven = step.is_file() if step else TEST.fullmatch(name) is not None
                self.assertTrue(proven, f"{feature}: {name}")


class ExampleTests(SynchronousTestCase):
    """The examples in Python, run as they stand there."""

    def alive(self, reactor: MemoryReactorClock, port: int) -> bytes:
        """Ask what listens on a port whether the gateway is alive."""
        [factory] = [server[1] for server in reactor.tcpServers if server[0] == port]
        protocol, transport = factory.buildProtocol(DEVICE), StringTransport()
        assert protocol is not None
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET /api/internal/v1/gateway/alive HTTP/1.1\r\nHost: here\r\n\r\n")
        status, _, _ = bytes(transport.value()).partition(b"\r\n")
        return status

    def run_example(self, code: str) -> tuple[IService, MemoryReactorClock]:
        """Run an example on a reactor of its own; gives its application, started."""
        # There has to be one before it can be replaced.
        import_module("twisted.internet.reactor")
        reactor = MemoryReactorClock()
        self.patch(twisted.internet, "reactor", reactor)
        names: dict[str, object] = {}
        exec(code, names)
        application = IService(names["application"])
        application.privilegedStartService()
        application.startService()
        return application, reactor

    def test_examples(self) -> None:
        """Each makes an application whose gateway answers until it is stopped."""
        self.assertEqual([name for name, _ in examples()], ["README.rst", "embedding.rst"])
        for name, code in examples():
            application, reactor = self.run_example(code)
            self.assertEqual(self.alive(reactor, 8080), b"HTTP/1.1 204 No Content", name)
            application.stopService()
            self.assertFalse(application.running, name)
