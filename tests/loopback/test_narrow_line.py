"""Artifacts that come in one after the other, with real sockets."""

from __future__ import annotations

from tests.loopback.gateway import API
from tests.loopback.lines import LOOPBACK
from tests.loopback.test_artifacts import DATA, HALF, ArtifactTestCase


class TurnTests(ArtifactTestCase):
    """One download at once."""

    name = "one"

    @property
    def store_url(self) -> str:
        """The link to one of several artifacts."""
        return f"http://{LOOPBACK}:{self.upstream.port}/bucket/{self.name}?X-Amz-Signature=abc"

    async def test_order(self) -> None:
        """The second is asked for when the first is here; the device API does not wait for it."""
        await self.start(cache={"MaxDownloads": 1})
        first = await self.get()
        store = await self.store_sends(DATA[:HALF])
        await first.until_received(HALF)
        self.name = "two"
        second = await self.get()
        await self.round_trip(await self.device())
        polling = await self.ask()
        server, head = await self.asked_store()
        self.assertIn(API, head)
        server.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertIn(b" 204 ", await polling.take_head())
        store.send(DATA[HALF:])
        await self.assert_gets(first, DATA)
        self.assertIn(b" /bucket/two?", await store.take_head())
        store.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(DATA), DATA))
        await self.assert_gets(second, DATA)

    async def test_narrow(self) -> None:
        """A connection with a small window brings the same bytes."""
        await self.start(cache={"MaxUplinkRate": "100MiB"})
        device = await self.get()
        await self.store_sends(DATA)
        await self.assert_gets(device, DATA)
