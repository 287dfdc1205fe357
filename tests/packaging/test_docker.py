"""Tests of what the container image is made of."""

from __future__ import annotations

import json
import re
import sys
from socket import socket
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.utils import getProcessValue
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from menderproxy.config.load import parse_config
from tests.packaging.files import ETC, ROOT

FOLDER = ETC / "docker"
ALIVE = b"/api/internal/v1/gateway/alive"


def instructions() -> list[tuple[str, str]]:
    """Give the instructions of the Dockerfile, each with what follows it."""
    text = re.sub(r"(?m)^#.*\n", "", (FOLDER / "Dockerfile").read_text("utf-8"))
    lines = text.replace("\\\n", "").splitlines()
    return [
        (name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line)
    ]


class DockerfileTests(SynchronousTestCase):
    """``Dockerfile`` and the configuration that it puts in the image."""

    def setUp(self) -> None:
        """Read what becomes of the last stage."""
        everything = instructions()
        last = max(index for index, (name, _) in enumerate(everything) if name == "FROM")
        self.stage = everything[last:]
        document = json.loads((FOLDER / "mender-gateway.conf").read_text("utf-8"))
        self.config = parse_config(document, {"UPSTREAM_SERVER_URL": "https://hosted.mender.io"})

    def values(self, name: str) -> list[str]:
        """Give what follows an instruction, each time that it is there."""
        return [rest for instruction, rest in self.stage if instruction == name]

    def test_user(self) -> None:
        """It runs as nobody."""
        self.assertEqual(self.values("USER"), ["65534:65534"])

    def test_no_shell(self) -> None:
        """Nothing in the last stage needs a shell, neither when it is built nor when it runs."""
        self.assertEqual(self.values("RUN"), [])
        [health] = self.values("HEALTHCHECK")
        for command in (*self.values("ENTRYPOINT"), health.partition("CMD ")[2]):
            self.assertTrue(json.loads(command)[0].startswith("/"), command)

    def test_configuration(self) -> None:
        """The ports of the image are those of its configuration, which leaves the rest open."""
        config = self.config
        ports = [listener.listen.port for listener in (config.http, config.https, config.metrics)]
        self.assertEqual(self.values("EXPOSE"), [" ".join(map(str, ports))])
        self.assertTrue(config.http.enabled)
        self.assertEqual(config.warnings, ())

    def test_cache(self) -> None:
        """The usual directory of the cache is a volume, which can be written to."""
        path = self.config.features.artifacts_proxy.artifacts_cache.path
        self.assertEqual(self.values("VOLUME"), [path])
        self.assertIn(f"--from=build --chown=65534:65534 {path} {path}", self.values("COPY"))

    def test_files(self) -> None:
        """What it copies is there, and not ignored."""
        allowed = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        copied = [copy.split()[0] for copy in self.values("COPY") if "--from" not in copy]
        self.assertNotEqual(copied, [])
        for name in copied:
            self.assertTrue((ROOT / name).is_file(), name)
            self.assertIn(f"!{name.rpartition('/')[0]}", allowed)


class Alive(Resource):
    """Answers like a gateway that is alive, or not."""

    isLeaf = True

    def __init__(self, status: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked: list[bytes] = []
        self._status = status

    def render_GET(self, request: Request) -> bytes:
        """Answer, and remember what was asked."""
        self.asked.append(request.uri)
        request.setResponseCode(self._status)
        return b""


class HealthTests(TestCase):
    """``healthcheck.py``."""

    async def check(self, address: str, **environment: str) -> int:
        """Run it against a listener; gives the exit status."""
        status: int = await getProcessValue(
            sys.executable,
            [str(FOLDER / "healthcheck.py")],
            env={"HTTP_LISTEN": address, **environment},
        )
        return status

    def listen(self, alive: Alive) -> int:
        """Answer on a port of this machine; gives its number."""
        from twisted.internet import reactor

        factory: Any = Site(alive)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        address = port.getHost()
        assert isinstance(address, IPv4Address)
        return address.port

    async def test_alive(self) -> None:
        """A gateway that answers as it should is healthy, whatever proxy is configured."""
        alive = Alive(204)
        port = self.listen(alive)
        self.assertEqual(await self.check(f":{port}", HTTP_PROXY="http://192.0.2.1:3128"), 0)
        self.assertEqual(alive.asked, [ALIVE])

    async def test_other_answer(self) -> None:
        """Any other answer is a bad sign."""
        port = self.listen(Alive(200))
        self.assertEqual(await self.check(f"127.0.0.1:{port}"), 1)

    async def test_no_answer(self) -> None:
        """So is none."""
        with socket() as taken:
            # Bound, so that nobody else can have it; but nobody listens.
            taken.bind(("127.0.0.1", 0))
            self.assertEqual(await self.check(f":{taken.getsockname()[1]}"), 1)
