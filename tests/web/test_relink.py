"""Tests of the way from the Mender Server's links to ours."""

from __future__ import annotations

from menderproxy.web.relink import Relinker
from menderproxy.wire.links import LinkSigner
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist
from tests.web.testcase import SiteTestCase

STORE = "https://bucket.store.example/a/b?X-Amz-Signature=secret"
CONFIGURATION = "/api/devices/v1/deployments/download/configuration/d/t%2fx/i?a=b%20+&c"


class RelinkTests(SiteTestCase):
    """Which links become ours."""

    def setUp(self) -> None:
        """Allow one store."""
        super().setUp()
        self.lines = self.watch_log()
        self.seen: list[StoreURL] = []
        self.signer = LinkSigner("https://gateway.example", b"s" * 16, 1800)
        self.relinker = Relinker(
            self.signer,
            Whitelist.parse(["store.example"]),
            now=lambda: 1_700_000_000,
            seen=self.seen.append,
        )

    def test_signed(self) -> None:
        """A store's link becomes a signed link of ours, and its newest form is made known."""
        link = self.relinker.relink(STORE, "release-2")
        assert link is not None
        self.assertTrue(link.startswith("https://gateway.example/artifacts/"), link)
        read = self.signer.verify(link.removeprefix("https://gateway.example").encode())
        self.assertEqual((str(read.url), read.name), (STORE, "release-2"))
        self.assertEqual((read.issued, read.expires), (1_700_000_000, 1_700_001_800))
        self.assertEqual([str(url) for url in self.seen], [STORE])

    def test_configuration(self) -> None:
        """A configuration artifact's link moves to the gateway, byte for byte behind the host."""
        for host in ("https://mender.example", "http://unlisted.example:8080"):
            self.assertEqual(
                self.relinker.relink(host + CONFIGURATION, "x"),
                "https://gateway.example" + CONFIGURATION,
            )
        self.assertEqual(self.seen, [])
        self.assertEqual(self.relinker.unlisted, 0)

    def test_unlisted(self) -> None:
        """A link to another host is left as it is, counted, and warned of once for each host."""
        for host in ("a.example", "a.example", "b.example", "a.example"):
            self.assertIsNone(self.relinker.relink(f"https://{host}/x?secret", "x"))
        self.assertEqual(self.relinker.unlisted, 4)
        self.assertEqual(self.seen, [])
        self.assertEqual([line.split(" ")[0] for line in self.lines], ["a.example", "b.example"])
        self.assertIn("DomainWhitelist", self.lines[0])

    def test_many_unlisted(self) -> None:
        """Not even a server that names ever new hosts fills the memory or the log."""
        for number in range(1100):
            self.relinker.relink(f"https://host{number}.example/x", "x")
        self.assertEqual(self.relinker.unlisted, 1100)
        self.assertEqual(len(self.lines), 1000)

    def test_no_url(self) -> None:
        """What is no link that we could fetch is left as it is, and not quoted in the log."""
        for uri in ("", "ftp://store.example/secret", "/secret", "https://u:secret@store.example/"):
            self.assertIsNone(self.relinker.relink(uri, "x"))
        self.assertEqual(len(self.lines), 4)
        self.assertNotIn("secret", "".join(self.lines))
