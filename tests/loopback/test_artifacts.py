"""Tests of artifacts on their whole way: store, disk, devices, with real sockets and files."""

from __future__ import annotations

import json
import time
from base64 import b64encode

from menderproxy.wire.links import LinkSigner
from menderproxy.wire.store_url import StoreURL
from tests.loopback.gateway import GatewayTestCase
from tests.loopback.lines import LOOPBACK, Line

NEXT = b"/api/devices/v1/deployments/device/deployments/next"
SECRET = b"a secret for these tests only"
GATEWAY_URL = "https://gateway.example"
MEGABYTE = 1024 * 1024
DATA = bytes(range(256)) * 400
HALF = len(DATA) // 2
ETAG = b'"0123456789abcdef0123456789abcdef-2"'


class ArtifactTestCase(GatewayTestCase):
    """Has a gateway with a cache; the upstream is the store as well."""

    async def start(self, cache: dict[str, object] | None = None, **limits: str) -> None:
        """
        Start the gateway.

        :param cache: further entries of the ``ArtifactsCache`` section.
        """
        settings = {
            "Enabled": True,
            "Path": str(self.directory.absolute() / "cache"),
            "SignatureSecret": b64encode(SECRET).decode(),
            **(cache or {}),
        }
        proxy = {
            "Enabled": True,
            "GatewayURL": GATEWAY_URL,
            "DomainWhitelist": [LOOPBACK],
            "ArtifactsCache": settings,
        }
        await self.start_gateway({"ArtifactsProxy": proxy}, **limits)

    @property
    def store_url(self) -> str:
        """The artifact's link at its store."""
        return f"http://{LOOPBACK}:{self.upstream.port}/bucket/one?a=%2F+b&X-Amz-Signature=abc"

    async def get(self, *headers: bytes, tls: bool = False) -> Line:
        """Let a new device ask for the artifact with a fresh link."""
        signer = LinkSigner(GATEWAY_URL, SECRET, 1800)
        link = signer.sign(StoreURL.parse(self.store_url), "release-2", time.time())
        return await self.ask(link.removeprefix(GATEWAY_URL).encode(), *headers, tls=tls)

    async def asked_store(self) -> tuple[Line, bytes]:
        """Give the store's side of the next request to it, and the request's head."""
        line = await self.upstream.accept()
        return line, await line.take_head()

    async def store_sends(self, data: bytes, length: int = len(DATA)) -> Line:
        """Let the store begin to answer."""
        line, _ = await self.asked_store()
        line.send(b"HTTP/1.1 200 OK\r\nETag: %b\r\nContent-Length: %d\r\n\r\n" % (ETAG, length))
        line.send(data)
        return line

    async def assert_gets(self, device: Line, data: bytes, status: bytes = b"200") -> bytes:
        """The device gets exactly these bytes; gives the head before them."""
        head = await device.take_head()
        self.assertTrue(head.startswith(b"HTTP/1.1 %b " % status), head)
        self.assertIn(b"\r\nContent-Length: %d" % len(data), head)
        self.assertNotIn(b"Transfer-Encoding", head)
        self.assertTrue(await device.take(len(data)) == data)
        return head


class DownloadTests(ArtifactTestCase):
    """Artifacts through the cache."""

    async def test_whole_way(self) -> None:
        """From the poll to the last byte; the store sees one plain request, ever."""
        await self.start()
        device = await self.ask(NEXT, b"Authorization: Bearer token")
        server = await self.forwarded()
        document = {"id": "d1", "artifact": {"source": {"uri": self.store_url}}}
        body = json.dumps(document).encode()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await device.take_head()
        await device.until_seen(b"}}}")
        link = json.loads(device.received)["artifact"]["source"]["uri"]
        self.assertTrue(link.startswith(GATEWAY_URL + "/artifacts/"), link)
        target = link.removeprefix(GATEWAY_URL).encode()

        device = await self.ask(target, b"Authorization: Bearer token", tls=True)
        await self.store_sends(DATA)
        await self.assert_gets(device, DATA)
        await self.assert_gets(await self.ask(target), DATA)
        self.assertEqual(self.upstream.lines[0], server)
        self.assertEqual(len(self.upstream.lines), 2)

    async def test_request_to_store(self) -> None:
        """The store gets the link as it was signed, and nothing of the device's request."""
        await self.start()
        await self.get(b"Authorization: Bearer token", b"X-Mine: x", b"Accept-Encoding: gzip")
        _, head = await self.asked_store()
        first, *headers = head.split(b"\r\n")
        self.assertEqual(first, b"GET /bucket/one?a=%2F+b&X-Amz-Signature=abc HTTP/1.1")
        names = {header.partition(b":")[0].lower() for header in headers}
        self.assertEqual(names, {b"host", b"user-agent", b"accept-encoding"})

    async def test_follows(self) -> None:
        """A device gets each byte when it is here, and one that comes later the first ones."""
        await self.start()
        early = await self.get()
        line = await self.store_sends(DATA[:HALF])
        head = await early.take_head()
        self.assertIn(b"\r\nContent-Length: %d" % len(DATA), head)
        self.assertIn(b"\r\nETag: " + ETAG, head)
        self.assertTrue(await early.take(HALF) == DATA[:HALF])
        late = await self.get(tls=True)
        await late.until_received(HALF)
        line.send(DATA[HALF:])
        self.assertTrue(await early.take(len(DATA) - HALF) == DATA[HALF:])
        await self.assert_gets(late, DATA)
        self.assertEqual(len(self.upstream.lines), 1)

    async def test_ranges(self) -> None:
        """Ranges of what is here, of what is still to come, and of both."""
        await self.start()
        await self.get()
        line = await self.store_sends(DATA[:HALF])
        last = len(DATA) - 1
        wanted = [(0, 0), (10, HALF - 1), (HALF - 10, HALF + 10), (HALF + 10, last), (last, last)]
        for here in (False, True):
            devices = [await self.get(b"Range: bytes=%d-%d" % part) for part in wanted]
            if not here:
                line.send(DATA[HALF:])
            for device, (first, end) in zip(devices, wanted, strict=True):
                head = await self.assert_gets(device, DATA[first : end + 1], b"206")
                content_range = b"bytes %d-%d/%d" % (first, end, len(DATA))
                self.assertIn(b"\r\nContent-Range: " + content_range, head)
        self.assertEqual(len(self.upstream.lines), 1)

    async def test_store_breaks(self) -> None:
        """When the store breaks off the gateway goes on where it was; devices see none of it."""
        await self.start()
        device = await self.get()
        line = await self.store_sends(DATA[:HALF])
        await device.until_received(HALF)
        await line.cut()
        line, head = await self.asked_store()
        self.assertIn(b"\r\nRange: bytes=%d-" % HALF, head)
        line.send(
            b"HTTP/1.1 206 Partial Content\r\nETag: %b\r\nContent-Length: %d\r\n"
            b"Content-Range: bytes %d-%d/%d\r\n\r\n"
            % (ETAG, len(DATA) - HALF, HALF, len(DATA) - 1, len(DATA))
        )
        line.send(DATA[HALF:])
        await self.assert_gets(device, DATA)

    async def test_everybody_leaves(self) -> None:
        """The download goes on when the devices that wanted it have gone."""
        await self.start()
        device = await self.get()
        line = await self.store_sends(DATA[:HALF])
        await device.until_received(HALF)
        await device.cut()
        line.send(DATA[HALF:])
        await self.assert_gets(await self.get(), DATA)
        self.assertEqual(len(self.upstream.lines), 1)
        self.assertEqual(self.flushLoggedErrors(), [])


class SlowDeviceTests(ArtifactTestCase):
    """Devices that do not follow."""

    LONG = DATA * 200

    async def test_slows_nobody(self) -> None:
        """A device that reads nothing slows neither the download nor another device."""
        await self.start()
        for tls in (False, True):
            slow = await self.get(tls=tls)
            if not tls:
                line = await self.store_sends(self.LONG[:HALF], len(self.LONG))
            await slow.until_received(HALF)
            slow.wire.pauseProducing()
            fast = [await self.get(b"Connection: close", tls=secure) for secure in (False, True)]
            if not tls:
                line.send(self.LONG[HALF:])
            for device in fast:
                await self.assert_gets(device, self.LONG)
                await device.until_lost()
            self.assertLess(slow.count, len(self.LONG))
            slow.wire.resumeProducing()
            await self.assert_gets(slow, self.LONG)

    async def test_cut_off(self) -> None:
        """One that takes nothing for too long is cut off; what it has is no whole."""
        await self.start(WriteStall="200ms")
        for tls in (False, True):
            device = await self.get(tls=tls)
            if not tls:
                await self.store_sends(self.LONG, len(self.LONG))
            await device.until_received(HALF)
            device.wire.pauseProducing()
            while self.gateway.site.channels:
                await self.round_trip_elsewhere()
            device.wire.resumeProducing()
            await device.until_lost()
            self.assertTrue(device.was_cut)
            self.assertLess(device.count, len(self.LONG))

    async def round_trip_elsewhere(self) -> None:
        """Give everybody some turns, and leave no connection behind."""
        device = await self.ask(b"/nothing", b"Connection: close")
        await device.until_lost()


class UncachedTests(ArtifactTestCase):
    """Artifacts that the disk can't take, and stores that give none."""

    async def test_too_large(self) -> None:
        """An artifact beyond the cache's size comes straight from its store, in parts as well."""
        await self.start({"MaxSize": str(HALF)})
        device = await self.get()
        # The first one shows its length, which is too much.
        (await self.store_sends(b"")).wire.loseConnection()
        await self.store_sends(DATA)
        await self.assert_gets(device, DATA)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_silent_store(self) -> None:
        """A store that says nothing in time gives no status, but a connection to try again on."""
        await self.start({"HoldTimeout": "100ms"})
        for tls in (False, True):
            device = await self.get(tls=tls)
            await device.until_lost()
            self.assertEqual(device.count, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_refused(self) -> None:
        """A store that has no such artifact is believed at once."""
        await self.start()
        device = await self.get()
        line, _ = await self.asked_store()
        line.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nxml")
        self.assertTrue((await device.take_head()).startswith(b"HTTP/1.1 404 "))
        await device.until_seen(b"from its store")
