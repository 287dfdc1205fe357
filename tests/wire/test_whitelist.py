"""Tests of which stores, and which addresses of theirs, may be connected to."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.store_url import StoreURL
from menderproxy.wire.whitelist import Whitelist
from tests.wire.properties import examples

LABELS = st.text(string.ascii_lowercase + "_", min_size=1, max_size=10)


class NameTests(SynchronousTestCase):
    """Which URLs a whitelist allows."""

    def test_host_and_subdomains(self) -> None:
        """An entry allows its host and all names below it, in any case."""
        self.assertAllows(
            ["S3.amazonaws.com"],
            "https://s3.amazonaws.com/x",
            "https://bucket.s3.amazonaws.com/x",
            "https://a.b.S3.AMAZONAWS.com/x",
            "http://s3.amazonaws.com:9000/x",
        )

    def test_no_substrings(self) -> None:
        """A host that merely contains an entry, or lies above it, is refused."""
        self.assertRefuses(
            ["s3.amazonaws.com"],
            "https://s3.amazonaws.com.evil.example/x",
            "https://evils3.amazonaws.com/x",
            "https://amazonaws.com/x",
            "https://evil.example/s3.amazonaws.com",
        )

    def test_port(self) -> None:
        """An entry with a port allows no other one, a default port included."""
        entries = ["store.example:443"]
        self.assertAllows(entries, "https://a.store.example/", "http://store.example:443/")
        self.assertRefuses(entries, "http://store.example/", "https://store.example:8443/")

    def test_addresses(self) -> None:
        """IP addresses are allowed exactly as listed, in any spelling of IPv6."""
        entries = ["10.0.0.1", "2001:db8::1", "[2001:db8::2]", "[2001:db8::3]:9000"]
        self.assertAllows(
            entries,
            "http://10.0.0.1:9000/",
            "http://[2001:DB8:0::1]/",
            "http://[2001:db8::2]:80/",
            "http://[2001:db8::3]:9000/",
        )
        self.assertRefuses(
            entries,
            "http://110.0.0.1/",
            "http://10.0.0.11/",
            "http://[2001:db8::3]/",
            "http://[2001:db8::4]/",
        )

    def test_own_host(self) -> None:
        """The Mender Server itself is allowed on any port, hosts below it are not."""
        for own_host in ("Mender.example", "mender.example:8443"):
            whitelist = Whitelist.parse([], own_host)
            self.assertTrue(whitelist.allows(StoreURL.parse("http://mender.example:8080/")))
            self.assertFalse(whitelist.allows(StoreURL.parse("http://a.mender.example/")))

    def test_own_address(self) -> None:
        """The Mender Server may be named by an IPv6 address."""
        whitelist = Whitelist.parse([], own_host="fd00::1")
        self.assertTrue(whitelist.allows(StoreURL.parse("https://[fd00::1]:8443/")))

    def test_empty(self) -> None:
        """A whitelist without entries allows nothing."""
        self.assertRefuses([], "https://s3.amazonaws.com/")

    def test_bad_entries(self) -> None:
        """An entry that is no host is refused by name."""
        for entry in (
            "",
            " a",
            "*.example.com",
            ".example.com",
            "example.com.",
            "https://example.com",
            "example.com/path",
            "example.com:port",
            "127.1",
            "[::1",
            "::1::",
            "user@example.com",
            "10.0.0.0/8",
        ):
            error = self.assertRaises(ValueError, Whitelist.parse, ["good.example", entry])
            self.assertIn(repr(entry), str(error))

    @examples
    @given(st.lists(LABELS, min_size=1, max_size=4), st.lists(LABELS, min_size=1, max_size=4))
    def test_suffix_of_labels(self, listed: list[str], asked: list[str]) -> None:
        """A name is allowed exactly when the entry's labels are its last ones."""
        for host in (asked, asked + listed):
            whitelist = Whitelist.parse([".".join(listed)])
            self.assertEqual(
                whitelist.allows(StoreURL.parse(f"http://{'.'.join(host)}/")),
                host[-len(listed) :] == listed,
            )

    def assertAllows(self, entries: list[str], *urls: str) -> None:
        """Assert that each of *urls* is allowed."""
        for url in urls:
            self.assertTrue(Whitelist.parse(entries).allows(StoreURL.parse(url)), url)

    def assertRefuses(self, entries: list[str], *urls: str) -> None:
        """Assert that none of *urls* is allowed."""
        for url in urls:
            self.assertFalse(Whitelist.parse(entries).allows(StoreURL.parse(url)), url)


class AddressTests(SynchronousTestCase):
    """Which addresses an allowed URL may lead to."""

    store = StoreURL.parse("http://store.example:9000/x")

    def test_public_and_private(self) -> None:
        """Stores in the Internet and on the premises may be reached."""
        whitelist = Whitelist.parse(["store.example"])
        for address in (
            "52.216.1.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "2600:1fa0::1",
            "fd00::1",
            "::ffff:10.1.2.3",
            "64:ff9b::52.216.1.1",
        ):
            self.assertTrue(whitelist.allows_address(address, self.store), address)

    def test_never(self) -> None:
        """Metadata services and what is no host are out of reach, listed or not."""
        for address in (
            "169.254.169.254",
            "169.254.1.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "fe80::1",
            "fe80::1%eth0",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "64:ff9b::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
        ):
            listed = [] if "%" in address else [address]
            whitelist = Whitelist.parse(["store.example", "localhost", *listed])
            self.assertFalse(whitelist.allows_address(address, self.store), address)

    def test_no_address(self) -> None:
        """A text that is no IP address is refused."""
        whitelist = Whitelist.parse(["store.example"])
        for address in ("", "store.example", "127.1", "[::1]"):
            self.assertFalse(whitelist.allows_address(address, self.store), address)

    def test_loopback(self) -> None:
        """This machine's services are out of reach of a name listed for another reason."""
        whitelist = Whitelist.parse(["store.example", "localhost"], own_host="mender.example")
        for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"):
            self.assertFalse(whitelist.allows_address(address, self.store), address)

    def test_localhost(self) -> None:
        """Who lists localhost, or has the Mender Server there, may fetch from it."""
        url = StoreURL.parse("http://localhost:9000/x")
        for whitelist in (
            Whitelist.parse(["localhost"]),
            Whitelist.parse(["localhost:9000"]),
            Whitelist.parse([], own_host="localhost"),
        ):
            for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
                self.assertTrue(whitelist.allows_address(address, url), address)
        self.assertFalse(Whitelist.parse(["localhost:80"]).allows_address("127.0.0.1", url))

    def test_listed_loopback(self) -> None:
        """A loopback address that is listed itself may be reached by a listed name."""
        for whitelist in (
            Whitelist.parse(["store.example", "127.0.0.1"]),
            Whitelist.parse(["store.example", "127.0.0.1:9000"]),
            Whitelist.parse(["store.example"], own_host="127.0.0.1"),
        ):
            self.assertTrue(whitelist.allows_address("127.0.0.1", self.store))
            self.assertFalse(whitelist.allows_address("127.0.0.2", self.store))
        other_port = Whitelist.parse(["store.example", "127.0.0.1:80"])
        self.assertFalse(other_port.allows_address("127.0.0.1", self.store))
