"""Tests of demo.devices against the demo server and store, on real sockets."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.internet.task import deferLater
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import IResource
from twisted.web.server import Site

from menderproxy.demo.artifact_store import DemoArtifactStore
from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.demo.devices import DeviceError, Instructions, SimulatedDevice
from menderproxy.demo.download import DownloadError
from menderproxy.demo.faults import Cut, Refuse
from menderproxy.demo.mender_server import DemoMenderServer, Release

_SIZE = 1_000_000
_RELEASE = Release("a1", "release-2", ("board",))


class DeviceTests(TestCase):
    """A device with nothing between it, the server, and the store."""

    timeout = 20

    def setUp(self) -> None:
        """Make server and store; :meth:`start` lets them listen."""
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.authority = ThrowAwayAuthority.create()
        self.store = DemoArtifactStore(self.reactor)
        self.object = self.store.put("bucket/a1", _SIZE)
        self.store_url = ""

    async def start(self, **options: Any) -> SimulatedDevice:
        """Start server and store, deploy the release, and make a device for it."""
        self.server = DemoMenderServer(
            link=lambda r: self.store.presign(self.store_url, f"bucket/{r.artifact_id}", 60),
            **options,
        )
        self.store_url = await self.listen(self.store)
        self.server.deploy(_RELEASE)
        return self.device(await self.listen(self.server), self.authority)

    def device(self, url: str, authority: ThrowAwayAuthority) -> SimulatedDevice:
        """Make a device that is closed after the test."""
        device = SimulatedDevice(
            self.reactor,
            server_url=url,
            authority=authority.certificate,
            mac="02:00:00:00:00:01",
            device_type="board",
            poll_interval=0.01,
            retry_pause=0.01,
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(device.close()))
        return device

    async def listen(self, root: IResource) -> str:
        """Serve *root*, and wait for its last connection after the test."""
        site = Site(root, reactor=self.reactor)
        connections = WrappingFactory(site)
        options = self.authority.issue("127.0.0.1").server_options()
        endpoint = SSL4ServerEndpoint(self.reactor, 0, options, interface="127.0.0.1")
        port = await endpoint.listen(connections)

        async def stop() -> None:
            await port.stopListening()
            while connections.protocols:
                await deferLater(self.reactor, 0)

        self.addCleanup(lambda: Deferred.fromCoroutine(stop()))
        return f"https://127.0.0.1:{port.getHost().port}"

    def asked(self) -> list[str]:
        """Name the API calls so far: method and last part of the path."""
        return [
            f"{request.method} {request.path.partition('?')[0].rpartition('/')[2]}"
            for request in self.server.requests
        ]

    async def test_update(self) -> None:
        """A device goes through all steps in order and has the artifact in the end."""
        device = await self.start()
        instructions = await device.update()
        assert instructions is not None and device.download is not None
        self.assertEqual(device.download.sha256, self.object.sha256())
        known = self.server.devices[device.identity]
        self.assertEqual(known.statuses, ["downloading", "installing", "success"])
        self.assertEqual(known.inventory["artifact_name"], "release-2")
        self.assertEqual(
            self.asked(),
            [
                "POST auth_requests",
                "PUT attributes",
                "POST next",
                "PUT status",
                "PUT status",
                "PUT status",
                "PUT attributes",
            ],
        )
        self.assertIsNone(await device.update())

    async def test_framing(self) -> None:
        """Bodies are Go's: a newline at the end, and only the auth request has a length."""
        device = await self.start()
        await device.update()
        first, *others = self.server.requests
        self.assertTrue(first.headers.hasHeader("content-length"))
        self.assertTrue(first.body.endswith(b"}\n"))
        for request in others:
            self.assertEqual(request.headers.getRawHeaders("transfer-encoding"), ["chunked"])
            self.assertEqual(request.headers.getRawHeaders("accept-encoding"), ["gzip"])

    async def test_old_server(self) -> None:
        """A server without the second version of the API is asked by the first."""
        device = await self.start(versions=frozenset({1}))
        self.assertIsNotNone(await device.update())
        paths = [request.path for request in self.server.requests if "next" in request.path]
        self.assertEqual([path.split("/")[3] for path in paths], ["v2", "v1"])

    async def test_very_old_server(self) -> None:
        """A server without any version is asked in all three ways, and then it's an error."""
        device = await self.start(versions=frozenset())
        with self.assertRaises(DeviceError):
            await device.update()
        self.assertEqual(self.asked()[2:], ["POST next", "POST next", "GET next"])

    async def test_pending(self) -> None:
        """A device that isn't accepted asks again until it is."""
        device = await self.start(auto_accept=False)
        updating = Deferred.fromCoroutine(device.update())
        while len(self.server.requests) < 3:
            await deferLater(self.reactor, 0)
        self.assertEqual(set(self.asked()), {"POST auth_requests"})
        self.server.accept(device.identity)
        self.assertIsNotNone(await updating)

    async def test_void_token(self) -> None:
        """A device whose token is void asks for another one and repeats its call."""
        device = await self.start()
        device._token = "void"
        await device.send_inventory()
        self.assertEqual(self.asked(), ["PUT attributes", "POST auth_requests", "PUT attributes"])

    async def test_cuts(self) -> None:
        """A device that is cut off resumes where it was, and has each byte once."""
        device = await self.start()
        self.store.faults = [Cut(after=300_000), Cut(after=0), Cut(after=1)]
        await device.update()
        assert device.download is not None
        self.assertEqual(device.download.sha256, self.object.sha256())
        self.assertEqual(device.download.retries, 3)
        self.assertEqual(
            [request.range for request in self.store.requests],
            [None, "bytes=300000-", "bytes=300000-", "bytes=300001-"],
        )
        self.assertEqual(self.store.bytes_sent, _SIZE)

    async def test_failure(self) -> None:
        """A download that can't succeed is reported as a failure, with the reason."""
        device = await self.start()
        self.store.faults = [Refuse(403)]
        with self.assertRaises(DownloadError):
            await device.update()
        known = self.server.devices[device.identity]
        self.assertEqual(known.statuses, ["downloading", "failure"])
        self.assertIn("403", json.dumps(known.log))

    async def test_foreign_authority(self) -> None:
        """A device says nothing to a server that its own authority doesn't vouch for."""
        await self.start()
        url = await self.listen(self.server)
        stranger = self.device(url, ThrowAwayAuthority.create())
        self.assertFalse(await stranger.request_token())
        self.assertEqual(self.server.requests, [])


class InstructionsTests(SynchronousTestCase):
    """Reading what the server says."""

    def test_strict(self) -> None:
        """Instructions with a part missing, or for another type, are refused."""
        artifact = {
            "artifact_name": "release-2",
            "source": {"uri": "https://gw/x"},
            "device_types_compatible": ["board"],
        }
        good = {"id": "1", "artifact": artifact}
        self.assertEqual(
            Instructions.parse(json.dumps(good).encode(), "board"),
            Instructions("1", "release-2", "https://gw/x"),
        )
        documents: list[object] = [{**good, "artifact": {**artifact, "source": {}}}, {}, [], 1]
        for missing in artifact:
            rest = {name: value for name, value in artifact.items() if name != missing}
            documents.append({**good, "artifact": rest})
        for document in documents:
            with self.assertRaises(DeviceError):
                Instructions.parse(json.dumps(document).encode(), "board")
        with self.assertRaises(DeviceError):
            Instructions.parse(json.dumps(good).encode(), "other")

    def test_secret(self) -> None:
        """The link shows in no representation."""
        self.assertNotIn("signature", repr(Instructions("1", "a", "https://gw/x?signature=1")))
