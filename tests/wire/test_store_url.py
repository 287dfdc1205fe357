"""Tests of reading and writing store URLs."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.store_url import StoreURL
from tests.wire.properties import examples

PRESIGNED = (
    "https://S3.amazonaws.com:443/hosted-mender/tenant%2Fa/7f1c"
    "?X-Amz-Credential=AKIA%2F20261122&X-Amz-Signature=secret"
)
TARGETS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#\\")
).map("/".__add__)
"""Everything that may follow a URL's authority, without the empty path."""


class ReadingTests(SynchronousTestCase):
    """What a URL's text is taken apart into."""

    def test_parts(self) -> None:
        """Host and scheme are folded, authority and target stay as they came."""
        url = StoreURL.parse(PRESIGNED)
        self.assertEqual((url.scheme, url.host, url.port), ("https", "s3.amazonaws.com", 443))
        self.assertEqual(url.authority, "S3.amazonaws.com:443")
        self.assertEqual(url.path, "/hosted-mender/tenant%2Fa/7f1c")
        self.assertEqual(
            url.target, url.path + "?X-Amz-Credential=AKIA%2F20261122&X-Amz-Signature=secret"
        )

    def test_default_ports(self) -> None:
        """A URL without a port gets its scheme's."""
        self.assertEqual(StoreURL.parse("http://a/").port, 80)
        self.assertEqual(StoreURL.parse("HTTPS://a/").port, 443)
        self.assertEqual(StoreURL.parse("http://[::1]:9000/").port, 9000)

    def test_empty_path(self) -> None:
        """An empty path becomes "/", before a query too."""
        self.assertEqual(str(StoreURL.parse("http://a")), "http://a/")
        self.assertEqual(str(StoreURL.parse("http://a?b=c")), "http://a/?b=c")

    def test_refused(self) -> None:
        """What two parsers might read differently, or is no http URL, is refused."""
        for text in (
            "",
            "/path",
            "//a/path",
            "ftp://a/",
            "http:a/",
            "http:/a/",
            "http:///path",
            "javascript://a/",
            "http://user@a/",
            "http://user:password@a/",
            "http://a\\@b/",
            "http://a\\b/",
            "http://a/b\\c",
            "http://a#@b/",
            "http://a/#fragment",
            "http://a/b c",
            "http://a/\tb",
            "http://a/\r\nHost: b",
            " http://a/",
            "http://a/\n",
            "http://a/\x00",
            "http://a/\x7f",
            "http://a/\xe4",
            "http://a%2eb/",
            "http://a./",
            "http://a..b/",
            "http://a:0/",
            "http://a:65536/",
            "http://a:/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://::1/",
            "http://[::1/",
            "http://[fe80::1%25eth0]/",
        ):
            self.assertRaises(ValueError, StoreURL.parse, text)

    def test_reason_is_no_leak(self) -> None:
        """The reason for refusing a URL does not quote its query."""
        for text in (PRESIGNED + "#", PRESIGNED + "\xe4", PRESIGNED.replace("com:", "com:x")):
            error = self.assertRaises(ValueError, StoreURL.parse, text)
            self.assertNotIn("secret", str(error))

    @examples
    @given(TARGETS)
    def test_round_trip(self, target: str) -> None:
        """A URL is written byte for byte as it was read."""
        text = "http://Store.example:9000" + target
        url = StoreURL.parse(text)
        self.assertEqual((str(url), url.target), (text, target))


class WritingTests(SynchronousTestCase):
    """What may be shown of a URL."""

    def test_repr(self) -> None:
        """The query, which is as good as a password, is not in the repr."""
        shown = repr(StoreURL.parse(PRESIGNED))
        self.assertIn("tenant%2Fa/7f1c", shown)
        self.assertNotIn("X-Amz", shown)

    def test_redacted(self) -> None:
        """The text for logs ends where the query starts."""
        self.assertEqual(
            StoreURL.parse(PRESIGNED).redacted,
            "https://S3.amazonaws.com:443/hosted-mender/tenant%2Fa/7f1c",
        )


class CacheKeyTests(SynchronousTestCase):
    """Which URLs name the same artifact."""

    def test_value(self) -> None:
        """The key is the SHA-256 of host and raw path: caches on disk depend on it."""
        self.assertEqual(
            StoreURL.parse(PRESIGNED).cache_key,
            hashlib.sha256(b"s3.amazonaws.com/hosted-mender/tenant%2Fa/7f1c").hexdigest(),
        )

    def test_same(self) -> None:
        """Query, case of the host and a spelled out default port make no difference."""
        keys = {
            StoreURL.parse(text).cache_key
            for text in ("http://a/b", "http://A/b?c", "http://a:80/b?d", "https://a/b")
        }
        self.assertEqual(len(keys), 1)

    def test_different(self) -> None:
        """Host, port, path and its spelling each make another artifact."""
        texts = (
            "http://a/b",
            "http://b/b",
            "http://a:81/b",
            "http://a:443/b",
            "http://a/B",
            "http://a/%62",
            "http://a/b/",
            "http://[::1]:82/",
            "http://[::1:82]/",
        )
        self.assertEqual(len({StoreURL.parse(text).cache_key for text in texts}), len(texts))
