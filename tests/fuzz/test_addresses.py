"""URLs, links, hosts and ranges."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config.units import parse_proxy
from menderproxy.upstream.no_proxy import Exemption
from menderproxy.upstream.proxies import ConnectTunnel, ProxyServer
from menderproxy.wire.authority import Authority
from menderproxy.wire.links import LinkError, LinkSigner
from menderproxy.wire.ranges import (
    ByteRange,
    Unsatisfiable,
    if_range_holds,
    is_resume,
    only_range,
    parse_content_range,
    parse_range,
)
from menderproxy.wire.remote import RemoteObject
from menderproxy.wire.routes import BadTarget, Route, match
from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Entry, Whitelist
from tests.fuzz.material import mutated, plenty

URLS = (
    b"https://s3.eu-central-1.amazonaws.com:443/bucket/a%20b?X-Amz-Signature=00",
    b"http://user@[::ffff:192.0.2.1]:9000/x?y#z",
    b"https://127.0.0.1/..%2f",
    b"http://0x7f.1/",
)
PROXIES = (b"http://user:p%40ss@proxy.example:3128/", b"[::1]:80", b"http://[fe80::1%25eth0]")
HOSTS = (b"*.example.com:443", b"10.0.0.0/8", b"[2001:db8::]/32", b"::1", b".internal", b"*")
SIGNER = LinkSigner("https://gateway.example", b"secret for all of us", 3600.0)
LINK = SIGNER.sign(StoreURL.parse(URLS[0].decode()), "release-1", 1000.0)
TARGET = LINK.removeprefix("https://gateway.example").encode()
TARGETS = (
    b"/api/devices/v1/deployments/device/deployments/next?a=/../b",
    b"/api/devices/v1/%2e%2e;/%252e/x\\..",
)
RANGES = (b"bytes=0-", b"bytes=10-19", b"bytes=-5", b"bytes=0-0,2-3", b"bytes 0-9/100", b"*")


def texts(originals: tuple[bytes, ...]) -> st.SearchStrategy[str]:
    """Give texts like these, as they come from a file or from the environment."""
    return mutated(originals).map(lambda data: data.decode("utf-8", "surrogateescape")) | st.text(
        max_size=20
    )


class URLTests(SynchronousTestCase):
    """URLs of stores."""

    @plenty
    @given(texts(URLS))
    def test_any(self, text: str) -> None:
        """Any text is refused without being quoted, or is the same when it is written again."""
        try:
            url = StoreURL.parse(text)
        except ValueError as error:
            self.assertLess(len(str(error)), 200)
            return
        self.assertEqual(StoreURL.parse(str(url)), url)
        self.assertTrue(str(url).isascii() and str(url).isprintable())
        self.assertNotIn("?", url.redacted)
        self.assertTrue(0 < url.port < 65536)
        Whitelist.parse(["example.com"], url.host).allows(url)

    @plenty
    @given(texts(HOSTS))
    def test_entries(self, text: str) -> None:
        """Any entry of a whitelist."""
        try:
            entry = Entry.parse(text)
        except ValueError:
            return
        self.assertEqual(
            Authority.parse(f"[{entry.host}]" if ":" in entry.host else entry.host).host, entry.host
        )

    @plenty
    @given(st.text(max_size=40) | st.ip_addresses().map(str))
    def test_addresses(self, text: str) -> None:
        """Any text in place of an address."""
        url = StoreURL.parse("http://store.example/")
        allowed = Whitelist.parse(["store.example"]).allows_address(text, url)
        self.assertIsInstance(allowed, bool)


class LinkTests(SynchronousTestCase):
    """Local links."""

    @plenty
    @given(mutated([TARGET]) | st.binary(max_size=40))
    def test_any(self, target: bytes) -> None:
        """What is not the signed link to the byte is refused, without being quoted."""
        try:
            SIGNER.verify(target)
        except LinkError as error:
            self.assertLess(len(str(error)), 100)
        else:
            self.assertEqual(target, TARGET)

    @plenty
    @given(texts(URLS), st.text(max_size=100), st.floats(0, 1e9))
    def test_signed(self, text: str, name: str, now: float) -> None:
        """Whatever is signed can be read again, and holds nothing that clients misread."""
        try:
            url = StoreURL.parse(text)
        except ValueError:
            return
        target = SIGNER.sign(url, name, now).removeprefix("https://gateway.example")
        self.assertEqual(SIGNER.verify(target.encode()).url, url)
        self.assertFalse(set(target) & set(":@% \\"), target)


class TargetTests(SynchronousTestCase):
    """Targets of requests."""

    @plenty
    @given(mutated(TARGETS) | st.binary(max_size=40))
    def test_any(self, target: bytes) -> None:
        """Any bytes have a route, or are refused in a few words."""
        try:
            self.assertIsInstance(match(target), Route)
        except BadTarget as error:
            self.assertLess(len(str(error)), 100)


class ProxyTests(SynchronousTestCase):
    """Addresses of proxies."""

    @plenty
    @given(texts(PROXIES))
    def test_any(self, text: str) -> None:
        """What the configuration takes can be used, and is the proxy that was meant."""
        try:
            parse_proxy(text)
        except ValueError:
            return
        server = ProxyServer.parse(text)
        bare = text.rpartition("@")[2]
        meant = Authority.parse((bare.partition("://")[2] or bare).removesuffix("/"))
        self.assertEqual(server.host, meant.host)
        ConnectTunnel(None, server, "store.example", 443)  # type: ignore[arg-type]

    @plenty
    @given(texts(HOSTS), texts(HOSTS), st.integers(0, 65535))
    def test_exemptions(self, text: str, host: str, port: int) -> None:
        """Any entry of NO_PROXY covers a host or does not."""
        self.assertIsInstance(Exemption.parse(text).covers(host, port), bool)


class RangeTests(SynchronousTestCase):
    """Ranges of bytes, asked for and answered."""

    values = st.lists(mutated(RANGES), max_size=2)

    @plenty
    @given(values, st.integers(0, 10**13))
    def test_asked(self, values: list[bytes], total: int) -> None:
        """Any Range is ignored, not to be satisfied, or within the object."""
        is_resume(values)
        only_range(values)
        if_range_holds(values, '"tag"', None)
        try:
            part = parse_range(values, total)
        except Unsatisfiable as error:
            self.assertLess(len(error.content_range), 30)
        else:
            part = part or ByteRange(0, total - 1)
            self.assertTrue(0 <= part.first <= part.last + 1 <= total)

    @plenty
    @given(mutated(RANGES))
    def test_answered(self, value: bytes) -> None:
        """Any Content-Range is malformed, or makes sense."""
        try:
            part = parse_content_range(value)
        except ValueError:
            return
        self.assertLessEqual(part.first, part.last)
        self.assertTrue(part.total is None or part.last < part.total)


class RemoteTests(SynchronousTestCase):
    """What a store says of an object."""

    names = st.sampled_from(
        (
            b"ETag",
            b"Last-Modified",
            b"Content-Type",
            b"Content-Range",
            b"Content-Encoding",
            b"Content-MD5",
            b"Retry-After",
            b"Date",
            b"x-amz-checksum-sha256",
            b"x-amz-checksum-type",
        )
    )
    values = mutated(
        (
            b'"0123456789abcdef0123456789abcdef"',
            b"Sun, 06 Nov 1994 08:49:37 GMT",
            b"bytes 0-9/100",
            b"120",
            b"CRC64NVME",
        )
    )

    @plenty
    @given(
        st.sampled_from((200, 206, 416, 503, 999)),
        st.lists(st.tuples(names, values), max_size=5),
        st.none() | st.integers(0, 10**13),
    )
    def test_any(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> None:
        """Any headers describe an object, or are refused in a line."""
        try:
            remote = RemoteObject.from_headers(status, headers, length)
        except ValueError as error:
            self.assertTrue(str(error).isprintable())
            return
        self.assertTrue(remote.retry_after is None or remote.retry_after >= 0)
        self.assertTrue(remote.same_object(remote) or remote.length is None or remote.etag)
