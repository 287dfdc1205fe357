"""A gateway as a process that can be killed, a store in this process, and resuming devices."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.server import Site

from menderproxy.demo.artifact_store import DemoArtifactStore, DemoObject
from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.demo.device_client import DeviceClient
from menderproxy.demo.download import Download
from menderproxy.demo.network import free_port
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.store_url import StoreURL

HOST = "127.0.0.1"
SECRET = b"a secret for these tests only"
POLL = 0.01


def rounds(variable: str, default: int) -> int:
    """How often to do it: few times in CI, as often as the environment says for the record."""
    return int(os.environ.get(variable, default))


def dice() -> random.Random:
    """The same random moments each time, unless ``ENDURANCE_SEED`` says otherwise."""
    return random.Random(int(os.environ.get("ENDURANCE_SEED", "1")))


class _Life(ProcessProtocol):
    """One run of the gateway."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.ended: Deferred[None] = Deferred()
        self.over = False

    def outReceived(self, data: bytes) -> None:
        """Keep what it prints."""
        with self._log.open("ab") as log:
            log.write(data)

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """It is gone."""
        self.over = True
        self.ended.callback(None)


class GatewayProcess:
    """
    The gateway's real command with one configuration, started as often as need be.

    :param directory: for its files, the cache among them.
    :param cache: the cache's own directory.
    :param settings: more keys of the ``ArtifactsCache`` section.
    """

    def __init__(self, reactor: Any, directory: Path, cache: Path, **settings: object):
        self._reactor = reactor
        self._directory = directory
        self.log = directory / "gateway.log"
        self.port = free_port(0)
        self.url = f"http://{HOST}:{self.port}"
        self.cache = cache
        self._life: _Life | None = None
        self._transport: Any = None
        section = {
            "Enabled": True,
            "Path": str(cache),
            "SignatureSecret": b64encode(SECRET).decode(),
            **settings,
        }
        proxy = {
            "Enabled": True,
            "GatewayURL": self.url,
            "DomainWhitelist": [HOST],
            "ArtifactsCache": section,
        }
        document = {
            "Features": {"ArtifactsProxy": proxy},
            "HTTP": {"Enabled": True, "Listen": f"{HOST}:{self.port}"},
            "UpstreamServer": {"URL": f"http://{HOST}:1"},
            "Limits": {"DrainTimeout": "1s"},
        }
        (directory / "gateway.conf").write_text(json.dumps(document))

    def start(self) -> None:
        """Start it, without waiting until it serves."""
        self._life = _Life(self.log)
        twistd = Path(sys.executable).with_name("twistd")
        configuration = str(self._directory / "gateway.conf")
        command = ["twistd", "--nodaemon", "--pidfile=", "mender-gateway", "--config"]
        self._transport = self._reactor.spawnProcess(
            self._life,
            str(twistd),
            [*command, configuration],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            path=str(self._directory),
        )

    async def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it and wait until it is gone."""
        if self._life is not None and not self._life.over:
            self._transport.signalProcess(number)
            await self._life.ended

    def starts_serving(self) -> bool:
        """Whether it has said so in its present life, or died."""
        assert self._life is not None
        if self._life.over:
            raise RuntimeError(self.log.read_text()[-2000:])
        text = self.log.read_text() if self.log.exists() else ""
        return text.rpartition("starting mender-gateway")[2].count("running...") == 1


@attrs.define
class Plant:
    """
    All of it: store, gateway, devices.

    :ivar downloads: what devices are downloading.
    """

    reactor: Any
    store: DemoArtifactStore
    store_url: str
    gateway: GatewayProcess
    client: DeviceClient
    downloads: list[Download] = attrs.field(factory=list)

    def link(self, artifact: DemoObject) -> str:
        """A fresh local link."""
        presigned = self.store.presign(self.store_url, artifact.key, 86400)
        signer = LinkSigner(self.gateway.url, SECRET, 86400.0)
        return signer.sign(StoreURL.parse(presigned), artifact.key, time.time())

    def device(self, artifact: DemoObject, *, attempts: int = 100_000) -> Deferred[str]:
        """Let one device download; fires with the SHA-256 it got."""
        download = Download(
            self.reactor,
            self.client.get,
            self.link(artifact),
            pause=0.1,
            attempts=attempts,
            stall=60.0,
        )
        self.downloads.append(download)
        return Deferred.fromCoroutine(download.run())

    async def until(self, condition: Any) -> None:
        """Wait until something holds."""
        while not condition():
            await deferLater(self.reactor, POLL)

    async def restarted(self) -> None:
        """Start the gateway, and wait until it serves."""
        self.gateway.start()
        await self.until(self.gateway.starts_serving)


@asynccontextmanager
async def plant(
    reactor: Any,
    directory: Path,
    *,
    rate: float | None = None,
    cache: Path | None = None,
    **settings: object,
) -> AsyncIterator[Plant]:
    """
    Set it all up; the gateway has yet to be started.

    :param rate: bytes a second of the uplink.
    :param cache: the cache's directory, by default one beside the rest.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    store = DemoArtifactStore(reactor, rate=rate)
    port = reactor.listenTCP(0, Site(store, reactor=reactor), interface=HOST)
    where = directory / "cache" if cache is None else cache
    gateway = GatewayProcess(reactor, directory, where, **settings)
    client = DeviceClient(reactor, ThrowAwayAuthority.create().certificate)
    try:
        yield Plant(reactor, store, f"http://{HOST}:{port.getHost().port}", gateway, client)
    finally:
        await gateway.end()
        await client.close()
        await maybeDeferred(port.stopListening)


async def all_of(waiting: list[Deferred[str]]) -> list[str]:
    """What all of them came to; the first failure is raised."""
    results = await DeferredList(waiting, consumeErrors=True)
    for good, result in results:
        if not good:
            cast(Failure, result).raiseException()
    return [result for _, result in results]
