"""What the tests of local links have in common: a gateway that hands out artifacts."""

from __future__ import annotations

from typing import cast

from menderproxy.cache.artifacts import ArtifactCache
from menderproxy.web.artifacts import ArtifactsResource, LinkRules
from menderproxy.web.passthrough import Passthrough
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.routes import Route
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist
from tests.web.device import Device
from tests.web.fakes import FakeAnswer, FakeArtifact, FakeCache, FakeStores
from tests.web.testcase import LIMITS, SiteTestCase

DATA = b"0123456789"
URL = StoreURL.parse("https://store.example/bucket/one?X-Amz-Signature=secret")
HOLD = 600
LIFETIME = 1800
GRACE = 86400
ETAG = '"tag"'
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def whole(data: bytes = DATA, *, status: int = 200, first: int = 0) -> RemoteObject:
    """Describe an object of ten bytes, as a store's answer with some of them does."""
    length = len(DATA)
    return RemoteObject(status, length, first, etag=ETAG, last_modified=DATE)


class ArtifactTestCase(SiteTestCase):
    """Has a cache with one artifact, and stores that give what the test prepares."""

    def setUp(self) -> None:
        """Serve local links."""
        super().setUp()
        self.lines = self.watch_log()
        self.now = 1_700_000_000.0
        self.signer = LinkSigner("https://gateway.example", b"s" * 16, LIFETIME)
        self.link = self.signed(URL)
        self.artifact = FakeArtifact(DATA)
        self.stores = FakeStores()
        self.serve(FakeCache(self.artifact))

    def serve(self, cache: FakeCache | None, *allowed: str) -> None:
        """
        Serve with another cache.

        :param allowed: the whitelist, ``store.example`` if there is none.
        """
        self.cache = FakeCache() if cache is None else cache
        rules = LinkRules(
            self.signer,
            Whitelist.parse(allowed or ["store.example"]),
            lambda: self.now,
            resume_grace=GRACE,
        )
        passthrough = Passthrough(
            self.stores.stores,
            self.clock,
            hold=HOLD,
            stall=LIMITS.write_stall,
            jitter=lambda: 1.0,
        )
        resource = ArtifactsResource(
            rules,
            None if cache is None else cast(ArtifactCache, cache),
            passthrough,
            hold=HOLD,
            stall=LIMITS.write_stall,
        )
        self.site = self.site_with({Route.ARTIFACT: resource}, max_connections=1000)

    def store_gives(self, *answers: tuple[RemoteObject, FakeAnswer] | Exception) -> None:
        """Prepare what the stores give, and turn the cache off."""
        self.stores = FakeStores(*answers)
        self.serve(None)

    def signed(self, url: StoreURL) -> bytes:
        """Make a local link's target."""
        link = self.signer.sign(url, "release-2", self.now)
        return link.removeprefix("https://gateway.example").encode()

    def get(
        self,
        *headers: tuple[bytes, bytes],
        link: bytes | None = None,
        method: bytes = b"GET",
        version: bytes = b"HTTP/1.1",
    ) -> Device:
        """Let a device ask for the artifact."""
        device = self.device()
        device.ask(method, self.link if link is None else link, *headers, version=version)
        return device

    def assert_cut_without_answer(self, device: Device) -> None:
        """The device has no status that could end its deployment, only a closed connection."""
        self.assertEqual((device.received, device.cut), (b"", True))
