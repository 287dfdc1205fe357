"""Tests of demo.scene and demo.network: the whole demo, small, on real sockets."""

from __future__ import annotations

import io
import socket
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from menderproxy.demo.network import LOOPBACK, Network, free_port
from menderproxy.demo.outcome import SceneOutcome
from menderproxy.demo.scene import Scene, play, scenes
from menderproxy.demo.screen import Screen

_SIZE = 1_000_000


class SceneTests(TestCase):
    """The demo's promises, kept by the real gateway."""

    timeout = 60

    async def setUp(self) -> None:  # type: ignore[override]
        """Start everything."""
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.stream = io.StringIO()
        self.network = Network(reactor, rate=None, https_port=0, http_port=0)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.network.stop()))
        await self.network.start()

    async def play(self, scene: Scene) -> SceneOutcome:
        """Play a scene with a small artifact."""
        screen = Screen(self.stream)
        return await play(scene, self.network, screen, self.reactor, _SIZE)

    async def test_all(self) -> None:
        """In each scene every device has the right bytes, and the WAN carried them once."""
        for scene in scenes(3):
            outcome = await self.play(scene)
            self.assertTrue(outcome.kept_promise, f"{outcome}\n{self.stream.getvalue()}")
            self.assertEqual(len(outcome.devices), scene.prompt + scene.late)
            assert outcome.link is not None
            self.assertTrue(outcome.link.startswith(f"{self.network.gateway_url}/artifacts/"))

    async def test_failing_device(self) -> None:
        """A device that gets nothing is named, and the promise counts as broken."""
        self.network.server.render = self.refuse  # type: ignore[method-assign]
        outcome = await self.play(Scene("none", "board", 1))
        self.assertFalse(outcome.kept_promise)
        self.assertIsNone(outcome.link)
        self.assertIn("02:00:00:00:00:01 failed: inventory", self.stream.getvalue())

    def refuse(self, request: Any) -> bytes:
        """Give a token, and refuse everything else."""
        granted = request.path.endswith(b"/auth_requests")
        request.setResponseCode(200 if granted else 400)
        return b"token"

    async def test_cancelled(self) -> None:
        """A scene that is cancelled stops its devices and ends."""
        playing = Deferred.fromCoroutine(self.play(Scene("cut short", "board", 2)))
        while not self.network.server.requests:
            await deferLater(self.reactor, 0)
        playing.cancel()
        self.failureResultOf(playing, CancelledError)

    async def test_cleans_up(self) -> None:
        """Nothing is left on disk."""
        directory = self.network.authority_path.parent
        self.assertTrue(directory.exists())
        await self.network.stop()
        self.assertFalse(directory.exists())


class FreePortTests(SynchronousTestCase):
    """Choosing a port."""

    def test_busy(self) -> None:
        """A wanted port is taken when it is free, and another one when it is not."""
        with socket.socket() as listening:
            listening.bind((LOOPBACK, 0))
            listening.listen()
            busy = listening.getsockname()[1]
            self.assertNotEqual(free_port(busy), busy)
        wanted = free_port(0)
        self.assertEqual(free_port(wanted), wanted)
