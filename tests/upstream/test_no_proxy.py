"""What the entries of NO_PROXY cover."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.upstream.no_proxy import Exemption


def covers(entry: str, host: str, port: int = 443) -> bool:
    """Tell whether an entry covers an upstream."""
    return Exemption.parse(entry).covers(host, port)


class NameTests(SynchronousTestCase):
    """Entries that are names."""

    def test_name(self) -> None:
        """A name covers itself and what lies below it, by whole labels and in any case."""
        for entry in ("Corp.Example", "corp.example."):
            for host in ("corp.example", "a.corp.example", "A.B.CORP.example"):
                self.assertTrue(covers(entry, host), (entry, host))
            for host in ("badcorp.example", "corp.example.org", "example"):
                self.assertFalse(covers(entry, host), (entry, host))

    def test_below_a_name(self) -> None:
        """A leading dot or an asterisk leaves the name itself out."""
        for entry in (".corp.example", "*.corp.example"):
            self.assertTrue(covers(entry, "a.corp.example"))
            self.assertTrue(covers(entry, "a.b.corp.example"))
            self.assertFalse(covers(entry, "corp.example"))
            self.assertFalse(covers(entry, "badcorp.example"))

    def test_no_part_of_an_address(self) -> None:
        """An address has no domain, however an entry looks."""
        for entry in ("1.2", ".1.2", "*.2"):
            self.assertFalse(covers(entry, "192.0.1.2"), entry)

    def test_everything(self) -> None:
        """An asterisk covers names and addresses."""
        for host in ("a.example", "192.0.2.1", "2001:db8::1"):
            self.assertTrue(covers("*", host))


class AddressTests(SynchronousTestCase):
    """Entries that are addresses and networks."""

    def test_address(self) -> None:
        """An address covers itself, in any spelling."""
        self.assertTrue(covers("192.0.2.1", "192.0.2.1"))
        self.assertTrue(covers("2001:DB8::0:1", "2001:db8::1"))
        self.assertTrue(covers("[2001:db8::1]", "2001:db8::1"))
        self.assertTrue(covers("192.0.2.1", "::ffff:192.0.2.1"))
        self.assertFalse(covers("192.0.2.1", "192.0.2.11"))

    def test_network(self) -> None:
        """A network covers its addresses, and no names."""
        self.assertTrue(covers("10.0.0.0/8", "10.255.0.1"))
        self.assertTrue(covers("10.1.2.3/8", "10.255.0.1"))
        self.assertTrue(covers("10.0.0.0/8", "::ffff:10.0.0.1"))
        self.assertTrue(covers("2001:db8::/32", "2001:db8:1::1"))
        self.assertFalse(covers("10.0.0.0/8", "11.0.0.1"))
        self.assertFalse(covers("10.0.0.0/8", "2001:db8::1"))
        self.assertFalse(covers("10.0.0.0/8", "10.example"))


class PortTests(SynchronousTestCase):
    """Entries with a port."""

    def test_narrowed_down(self) -> None:
        """A port narrows an entry of any kind down."""
        for entry, host in (
            ("corp.example:8443", "a.corp.example"),
            (".corp.example:8443", "a.corp.example"),
            ("192.0.2.1:8443", "192.0.2.1"),
            ("[2001:db8::1]:8443", "2001:db8::1"),
            ("*:8443", "a.example"),
        ):
            self.assertTrue(covers(entry, host, 8443), entry)
            self.assertFalse(covers(entry, host, 443), entry)

    def test_ipv6_without_brackets(self) -> None:
        """The last group of an IPv6 address is no port."""
        self.assertTrue(covers("2001:db8::1:443", "2001:db8::1:443", 8443))


class MalformedTests(SynchronousTestCase):
    """Entries that mean nothing."""

    def test_nothing(self) -> None:
        """They cover nothing, and break nothing."""
        for entry in (
            "10.0.0.0/99",
            ":",
            ":443",
            ".",
            "a.example:x",
            "[a.example",
            "**",
            "https://a.example",
        ):
            for host in ("a.example", "10.0.0.1", "2001:db8::1"):
                self.assertFalse(covers(entry, host), (entry, host))
